module trunkline.internal/pbx

go 1.26.0

require trunkline.internal/proto v0.0.0

replace trunkline.internal/proto => ../proto
