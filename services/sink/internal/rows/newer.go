package rows

import (
	"google.golang.org/protobuf/reflect/protoreflect"

	v1 "trunkline.internal/proto/trunkline/v1"
)

// Newer tells whether a receipt holds what this version has no column for: a
// field or a value of a newer schema. Writing it would lose that.
func Newer(b *v1.CdrBatch) bool {
	if unknown(b) || b.Place != nil && unknown(b.Place) || b.Act != nil && unknown(b.Act) {
		return true
	}
	for _, o := range b.Others {
		if unknown(o) || !outcomes.has(int32(o.Outcome)) {
			return true
		}
	}
	for _, c := range b.Cdrs {
		if unknown(c) || !roles.has(int32(c.RecordRole)) || !directions.has(int32(c.Direction)) || !networks.has(int32(c.Network)) ||
			!dispositions.has(int32(c.Disposition)) || !classes.has(int32(c.ChargeClass)) {
			return true
		}
		for _, w := range c.Warnings {
			if !warningValues.has(int32(w)) {
				return true
			}
		}
	}
	return false
}

func unknown(m interface {
	ProtoReflect() protoreflect.Message
},
) bool {
	return len(m.ProtoReflect().GetUnknown()) > 0
}

// size is how many values of an enum this version knows.
type size int32

func (n size) has(v int32) bool { return v >= 0 && v < int32(n) }

func sizeOf[E protoreflect.Enum]() size { return size(len(enumNames[E]())) }

var (
	outcomes      = sizeOf[v1.Outcome]()
	roles         = sizeOf[v1.RecordRole]()
	directions    = sizeOf[v1.Direction]()
	networks      = sizeOf[v1.Network]()
	dispositions  = sizeOf[v1.Disposition]()
	classes       = sizeOf[v1.ChargeClass]()
	warningValues = sizeOf[v1.Warning]()
)
