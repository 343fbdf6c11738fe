package parser

import (
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/alchemy"
	"trunkline.internal/services/parser/formats/asterisk"
	"trunkline.internal/services/parser/formats/avaya"
	"trunkline.internal/services/parser/formats/cucm"
	"trunkline.internal/services/parser/formats/grandstream"
	"trunkline.internal/services/parser/formats/hipath"
	"trunkline.internal/services/parser/formats/joined"
	"trunkline.internal/services/parser/formats/kit"
	layoutformat "trunkline.internal/services/parser/formats/layout"
	"trunkline.internal/services/parser/formats/mitel3300"
	"trunkline.internal/services/parser/formats/mitela400"
	"trunkline.internal/services/parser/formats/oxe"
	"trunkline.internal/services/parser/formats/oxo"
	"trunkline.internal/services/parser/formats/panasonic"
	"trunkline.internal/services/parser/formats/shoretel"
	"trunkline.internal/services/parser/formats/threecx"
	"trunkline.internal/services/parser/formats/wazo"
)

// registry says which format understands a model.
var registry = map[string]func(*kit.Link) (formats.Parser, error){
	"3cx":                 threecx.New,
	"aastra-65xx-v1":      layoutformat.New,
	"aastra-md-evolution": layoutformat.New,
	"alcatel-4200":        layoutformat.New,
	"alcatel-oxe":         oxe.New,
	"alcatel-oxe-ahl":     layoutformat.New,
	"alcatel-oxo":         oxo.New,
	"asterisk":            asterisk.New,
	"avaya-alchemy":       alchemy.New,
	"avaya-ipoffice":      avaya.New,
	"cisco-cucm":          cucm.New,
	"custom":              layoutformat.New,
	"fonisk":              joined.New,
	"grandstream-ucm":     grandstream.New,
	"itneo":               joined.New,
	"mitel-3300":          mitel3300.New,
	"mitel-a400-pc5":      mitela400.New,
	"mitel-a5000-v1":      layoutformat.New,
	"mitel-a5000-v2":      layoutformat.New,
	"panasonic-kx":        panasonic.New,
	"shoretel":            shoretel.New,
	"telnowedge":          joined.New,
	"unify-hipath":        hipath.New,
	"wazo":                wazo.New,
}
