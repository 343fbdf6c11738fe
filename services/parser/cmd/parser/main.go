// Command parser runs the parser as a service of its own.
package main

import (
	_ "time/tzdata"

	"trunkline.internal/platform/lifecycle"
	"trunkline.internal/platform/service"
	"trunkline.internal/proto/wire"
	"trunkline.internal/services/parser"
)

func main() {
	service.Main("parser", func(env *service.Env) ([]lifecycle.Part, error) {
		cdrs := env.Bus.NewCommitter(wire.StreamCdrs)
		s, err := parser.New(parser.Deps{Bus: env.Bus, Cdrs: cdrs, Log: env.Log, Metrics: env.Metrics, SetHealth: env.Health.Set})
		if err != nil {
			return nil, err
		}
		return []lifecycle.Part{service.CommitterPart(cdrs), {Name: "parser", Run: s.Run}}, nil
	})
}
