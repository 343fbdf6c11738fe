module trunkline.internal/pbx

go 1.26.0

replace trunkline.internal/proto => ../proto
