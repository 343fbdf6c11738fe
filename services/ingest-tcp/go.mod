module trunkline.internal/services/ingest-tcp

go 1.26.0

require trunkline.internal/proto v0.0.0

require trunkline.internal/pbx v0.0.0

require trunkline.internal/platform v0.0.0

require (
	github.com/klauspost/compress v1.20.3 // indirect
	github.com/nats-io/nats.go v1.55.0 // indirect
	github.com/nats-io/nkeys v0.4.16 // indirect
	github.com/nats-io/nuid v1.0.1 // indirect
	github.com/prometheus/client_golang v1.25.0 // indirect
	golang.org/x/crypto v0.58.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
)

replace trunkline.internal/proto => ../../proto

replace trunkline.internal/pbx => ../../pbx

replace trunkline.internal/platform => ../../platform
