// Command sink runs the sink as a service of its own.
package main

import (
	"flag"
	_ "time/tzdata"

	"trunkline.internal/platform/lifecycle"
	"trunkline.internal/platform/service"
	"trunkline.internal/services/sink"
)

func main() {
	migrate := flag.Bool("migrate", false, "bring ClickHouse's schema to where this version needs it, and end")
	service.Main("sink", func(env *service.Env) ([]lifecycle.Part, error) {
		s, err := sink.New(env.Config.ClickHouse, sink.Deps{
			Bus: env.Bus, Log: env.Log, Metrics: env.Metrics, SetHealth: env.Health.Set,
		})
		if err != nil {
			return nil, err
		}
		if *migrate {
			return []lifecycle.Part{{Name: "migrate", Run: s.Migrate}}, nil
		}
		return []lifecycle.Part{{Name: "sink", Run: s.Run}}, nil
	})
}
