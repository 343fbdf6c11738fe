package pbxsim

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// The invented office is in France. Its numbers, like those of everybody it calls, are from the ranges that the
// regulators keep for fiction. A link that collects from it is configured with these.
const (
	Country       = "FR"
	OutsidePrefix = "0"
	MainNumber    = "0199002000" // rings the group 2000
	// ExtensionLength: extensions are 2001…2026, the group 2000, voicemail 6000.
	ExtensionLength = 4
)

var (
	reception = Party{"2000", "Accueil"}
	mailbox   = Party{"6000", "Messagerie"}
)

// staff are the extensions 2001 and up.
var staff = []string{
	"Océane Vasseur", "Théo Marchand", "Zoé Lefèvre", "Hélène Brûlé", "Noël Castagné", "Maëlle Le Goff",
	"Jérôme Quesnel", "Anaïs Fontanel", "Loïc Perrault", "Inès Benyahia", "François d'Aubrac", "Chloé Rivière",
	"Gaëtan Morvan", "Salomé Dubreuil", "Kévin Ducrot", "Aïcha Mansour", "Rémi Tournier", "Léa Grandjean",
	"Björn Håkansson", "Agnès Pichon", "Mathéo Sarrazin", "Élodie Chevrier", "Victor Nuñez", "Capucine Roux",
	"Atelier", "Salle de réunion Été",
}

func extension(i int) Party { return Party{fmt.Sprintf("20%02d", i+1), staff[i]} }

func did(p Party) string { return "019900" + p.Number }

// names of those who call often.
var firms = []string{
	"Garage du Mistral", "Crêperie Ty Coz", "Menuiserie Bézard", "Clinique des Érables", "Transports Aubépine",
	"Librairie Plein Ciel", "Notaire Mᵉ Vidal", "Imprimerie Gutenbourg", "Acme Tools Ltd", "Müller & Söhne",
}

func digits(r *rand.Rand, n int) string {
	var b strings.Builder
	for range n {
		b.WriteByte(byte('0' + r.IntN(10)))
	}
	return b.String()
}

// national makes a French number; the last four digits never begin with 20, which is ours.
func national(r *rand.Rand) Outside {
	ranges := []string{"019900", "026191", "035301", "046571", "053649", "063998", "063998", "063998"}
	n := fmt.Sprintf("%s%d%s", ranges[r.IntN(len(ranges))], 3+r.IntN(7), digits(r, 3))
	return Outside{Number: n, E164: "+33" + n[1:]}
}

func abroad(r *rand.Rand) Outside {
	var n string
	switch r.IntN(4) {
	case 0:
		n = "441632960" + digits(r, 3)
	case 1:
		n = "120255501" + digits(r, 2)
	case 2:
		n = "493023125" + digits(r, 3)
	default:
		n = "6125550" + digits(r, 4)
	}
	return Outside{Number: "00" + n, E164: "+" + n}
}

// contacts are the outside parties of one seed: a few firms that call often, many that do not.
func contacts(r *rand.Rand) []Outside {
	out := make([]Outside, 0, 80)
	for i, name := range firms {
		o := national(r)
		if i >= len(firms)-2 {
			o = abroad(r)
		}
		o.Name = name
		out = append(out, o)
	}
	for range 55 {
		out = append(out, national(r))
	}
	for range 15 {
		out = append(out, abroad(r))
	}
	return out
}

// mobile is where an extension sends its calls on to.
func mobile(p Party) Outside {
	n := "063998" + p.Number
	return Outside{Number: n, E164: "+33" + n[1:]}
}
