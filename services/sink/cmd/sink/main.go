// Command sink runs the sink as a service of its own.
package main

import (
	_ "time/tzdata"

	"trunkline.internal/platform/lifecycle"
	"trunkline.internal/platform/service"
	"trunkline.internal/services/sink"
)

func main() {
	service.Main("sink", func(env *service.Env) ([]lifecycle.Part, error) {
		s, err := sink.New(env.Config.ClickHouse, sink.Deps{
			Bus: env.Bus, Log: env.Log, Metrics: env.Metrics, SetHealth: env.Health.Set,
		})
		if err != nil {
			return nil, err
		}
		return []lifecycle.Part{{Name: "sink", Run: s.Run}}, nil
	})
}
