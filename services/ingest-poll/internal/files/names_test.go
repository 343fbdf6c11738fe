package files

import "testing"

func TestNames(t *testing.T) {
	for name, want := range map[string]struct{ never, packed bool }{
		"cdr_A_01_202611200900_1": {},
		"_cdr_A_01":               {never: true},
		".trunkline-aside":        {never: true},
		"SMDR.csv.OLD":            {never: true},
		"x.crdownload":            {never: true},
		"Master.csv.1":            {},
		"Master.csv.2.gz":         {packed: true},
		"TAXA.Z":                  {packed: true},
	} {
		if never(name) != want.never || packed(name) != want.packed {
			t.Errorf("%s: never %v, packed %v", name, never(name), packed(name))
		}
	}
}
