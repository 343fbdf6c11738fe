// Command ingest-tcp runs the links of the wires `tcp`, `oxe` and `ahl` as a service of their own.
package main

import (
	_ "time/tzdata"

	"trunkline.internal/platform/lifecycle"
	"trunkline.internal/platform/service"
	ingesttcp "trunkline.internal/services/ingest-tcp"
)

func main() {
	service.Main("ingest-tcp", func(env *service.Env) ([]lifecycle.Part, error) {
		tickets := env.Tickets()
		s, err := ingesttcp.New(env.Config.Links(), ingesttcp.Deps{
			Bus: env.Bus, Tickets: tickets, Log: env.Log, Metrics: env.Metrics, SetHealth: env.Health.Set, Watch: env.Watch,
		})
		if err != nil {
			return nil, err
		}
		env.Reloads(s)
		return []lifecycle.Part{service.CommitterPart(tickets), {Name: "ingest-tcp", Early: true, Run: s.Run}}, nil
	}, service.MaySpool, service.ManyLinks)
}
