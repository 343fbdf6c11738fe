module trunkline.internal/test

go 1.26.0

require trunkline.internal/proto v0.0.0
require trunkline.internal/pbx v0.0.0
require trunkline.internal/platform v0.0.0
require trunkline.internal/services/ingest-tcp v0.0.0
require trunkline.internal/services/ingest-poll v0.0.0
require trunkline.internal/services/parser v0.0.0
require trunkline.internal/services/sink v0.0.0
require trunkline.internal/engine v0.0.0
require trunkline.internal/pbxsim v0.0.0

replace trunkline.internal/proto => ../proto
replace trunkline.internal/pbx => ../pbx
replace trunkline.internal/platform => ../platform
replace trunkline.internal/services/ingest-tcp => ../services/ingest-tcp
replace trunkline.internal/services/ingest-poll => ../services/ingest-poll
replace trunkline.internal/services/parser => ../services/parser
replace trunkline.internal/services/sink => ../services/sink
replace trunkline.internal/engine => ../engine
replace trunkline.internal/pbxsim => ../pbxsim
