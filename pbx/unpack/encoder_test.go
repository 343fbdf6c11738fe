package unpack

// encoder writes .Z files as compress does. clearEvery clears the table after so
// many codes, in block mode; compress does it where the text changes.
type encoder struct {
	bits       int
	block      bool
	clearEvery int
}

func (e encoder) encode(plain []byte) []byte {
	flags := byte(e.bits)
	first := 256
	if e.block {
		flags, first = flags|0x80, 257
	}
	w := &codes{out: []byte{0x1f, 0x9d, flags}, begin: 3, width: 9}
	if len(plain) == 0 {
		return w.out
	}
	type entry struct {
		code int
		next byte
	}
	table, free := map[entry]int{}, first
	code, written := int(plain[0]), 0
	for _, b := range plain[1:] {
		if longer, ok := table[entry{code, b}]; ok {
			code = longer
			continue
		}
		w.write(code)
		written++
		// The reader makes its entry one code later: so does the width change.
		if free > 1<<w.width-1 && w.width < e.bits {
			w.align()
			w.width++
		}
		if free < 1<<e.bits {
			table[entry{code, b}] = free
			free++
		}
		code = int(b)
		if e.block && e.clearEvery > 0 && written%e.clearEvery == 0 {
			w.write(256)
			w.align()
			clear(table)
			free, w.width = first, 9
		}
	}
	w.write(code)
	return w.out
}

// codes packs codes, lowest bit first.
type codes struct {
	out   []byte
	begin int // where the codes of this width begin
	bits  int // of them
	width int
}

func (w *codes) write(code int) {
	for i := range w.width {
		at := w.begin + w.bits>>3
		if at == len(w.out) {
			w.out = append(w.out, 0)
		}
		w.out[at] |= byte(code>>i&1) << (w.bits & 7)
		w.bits++
	}
}

// align fills the group of eight codes.
func (w *codes) align() {
	group := 8 * w.width
	for ; w.bits%group != 0; w.bits += 8 - w.bits%8 {
		if at := w.begin + w.bits>>3; at == len(w.out) {
			w.out = append(w.out, 0)
		}
	}
	w.begin, w.bits = len(w.out), 0
}
