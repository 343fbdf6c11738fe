module trunkline.internal/pbx

go 1.26.0

replace trunkline.internal/proto => ../proto

require go.yaml.in/yaml/v3 v3.0.6
