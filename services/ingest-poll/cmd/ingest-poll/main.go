// Command ingest-poll runs the links of files and tables, fetched or pushed, as a service of their own.
package main

import (
	_ "time/tzdata"

	"trunkline.internal/platform/lifecycle"
	"trunkline.internal/platform/service"
	ingestpoll "trunkline.internal/services/ingest-poll"
)

func main() {
	service.Main("ingest-poll", func(env *service.Env) ([]lifecycle.Part, error) {
		tickets := env.Tickets()
		s, err := ingestpoll.New(env.Config.Links(), ingestpoll.Deps{
			Bus: env.Bus, Tickets: tickets, Log: env.Log, Metrics: env.Metrics, SetHealth: env.Health.Set, Watch: env.Watch, Data: env.Config.Data,
		})
		if err != nil {
			return nil, err
		}
		env.Reloads(s)
		return []lifecycle.Part{service.CommitterPart(tickets), {Name: "ingest-poll", Early: true, Run: s.Run}}, nil
	}, service.MaySpool)
}
