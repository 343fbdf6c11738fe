module trunkline.internal/services/parser

go 1.26.0

require trunkline.internal/proto v0.0.0

require trunkline.internal/pbx v0.0.0

require (
	golang.org/x/text v0.43.0
	google.golang.org/protobuf v1.36.12
)

replace trunkline.internal/proto => ../../proto

replace trunkline.internal/pbx => ../../pbx

replace trunkline.internal/platform => ../../platform
