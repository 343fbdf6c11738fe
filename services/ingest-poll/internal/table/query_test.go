package table

import (
	"context"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"trunkline.internal/platform/config"
)

// users makes the tables of a PBX whose calls belong to users.
func users(t testing.TB, r *rig) {
	t.Helper()
	run(
		t, r.db,
		"CREATE TABLE cdr (id_cdr INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, src VARCHAR(80), id_user INT, id_user_group INT, id_subsidiary INT)",
		"CREATE TABLE user (id_user INT PRIMARY KEY, firstname VARCHAR(80), lastname VARCHAR(80), number VARCHAR(20)) DEFAULT CHARSET=utf8mb4",
		"CREATE TABLE user_group (id_user_group INT PRIMARY KEY, name VARCHAR(80))",
		"INSERT INTO user VALUES (12, 'Zoé', 'Müller', '201')",
		"INSERT INTO user_group VALUES (3, 'Ventes')",
		"INSERT INTO cdr (src, id_user, id_user_group, id_subsidiary) VALUES ('201', 12, 3, 1), ('202', 12, 9, 1), ('0199001234', NULL, NULL, NULL)",
	)
}

// Every call is read, with what the tables beside it say: also a call of no
// user, one whose group is gone, and where a table is missing.
func TestTablesBeside(t *testing.T) {
	r := newRigOf(t, "fonisk")
	users(t, r)
	r.look()
	for column, want := range map[string][]string{
		"src":       {"201", "202", "0199001234"},
		"firstname": {"Zoé", "Zoé", "NULL"},
		"number":    {"201", "201", "NULL"},
		"usergroup": {"Ventes", "NULL", "NULL"},
	} {
		if got := r.column(column); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", column, got, want)
		}
	}
	if !strings.Contains(r.log.String(), "table=subsidiary") {
		t.Errorf("nothing says that a table is missing: %s", r.log.String())
	}
	run(t, r.db, "CREATE TABLE subsidiary (id_subsidiary INT PRIMARY KEY, name VARCHAR(80))", "INSERT INTO subsidiary VALUES (1, 'Siège')",
		"INSERT INTO cdr (src, id_user, id_user_group, id_subsidiary) VALUES ('203', 12, 3, 1)")
	r.restart()
	r.look()
	if got := r.column("subsidiary"); got[len(got)-1] != "Siège" || len(got) != 4 {
		t.Errorf("subsidiary: %v", got)
	}
}

func TestQuery(t *testing.T) {
	r := newRigOf(t, "fonisk", func(c *config.MySQL) {
		c.Query = "SELECT C.*, U.lastname FROM cdr C LEFT JOIN user U ON U.id_user = C.id_user WHERE ID_CDR > @IDLAST ORDER BY C.id_cdr LIMIT 2"
	})
	users(t, r)
	r.look()
	if got, want := r.column("src"), []string{"201", "202", "0199001234"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v: a full page is followed by the next", got, want)
	}
	r.restart()
	run(t, r.db, "INSERT INTO cdr (src) VALUES ('203')")
	r.look()
	if got := r.column("src"); len(got) != 4 || got[3] != "203" {
		t.Errorf("%v", got)
	}
}

// Rows are left alone until they have been there for a while: what the PBX
// changes in them meanwhile is in the ticket.
func TestSettle(t *testing.T) {
	r := newRig(t, func(c *config.MySQL) { c.Settle = config.Duration(time.Minute) })
	now := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	r.now = func() time.Time { return now }
	run(t, r.db, cdrTable)
	r.insert(0, 2)
	r.look()
	r.have([]string{})
	now = now.Add(50 * time.Second)
	r.insert(2, 3)
	run(t, r.db, "UPDATE cdr SET src = 'changed' WHERE id = 1")
	r.look()
	r.have([]string{})
	now = now.Add(20 * time.Second)
	r.look()
	r.have([]string{"changed", "1"})
	now = now.Add(40 * time.Second)
	r.look()
	r.have([]string{"changed", "1", "2"})
}

// A key counts as old only when a look saw it, or a larger one, so long ago.
func TestAges(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var a ages
	seen := map[int64]time.Duration{}
	now, newest := time.Duration(0), int64(0)
	for range 2000 {
		now += time.Duration(rng.IntN(20)) * time.Second
		for range rng.IntN(3) {
			newest++
			seen[newest] = now
		}
		upTo := a.old(newest, time.Unix(0, 0).Add(now), time.Minute)
		for key := max(1, newest-50); key <= newest; key++ {
			if old := now-seen[key] >= time.Minute; old != (key <= upTo) {
				t.Fatalf("at %s key %d, there since %s: old up to %d", now, key, seen[key], upTo)
			}
		}
	}
	if len(a.looks) > 100 {
		t.Errorf("%d looks are remembered", len(a.looks))
	}
}

func TestQueryThatCannotBeFollowed(t *testing.T) {
	r := newRig(t)
	run(t, r.db, cdrTable)
	r.insert(0, 3)
	l := r.nats.Link(t, "asterisk", time.Now)
	for query, want := range map[string]string{
		"SELECT * FROM cdr":                           "Write: SELECT * FROM cdr WHERE id > :last_id ORDER BY id LIMIT 1000",
		"SELECT * FROM cdr WHERE id > :last_id":       "Write: SELECT * FROM cdr WHERE id > :last_id ORDER BY id LIMIT 1000",
		"SELECT * FROM cdr WHERE dst <> '' LIMIT 500": "Write: SELECT * FROM cdr WHERE dst <> '' AND id > :last_id ORDER BY id LIMIT 500",
		"SELECT * FROM cdr ORDER BY calldate":         "Write: SELECT * FROM cdr WHERE id > :last_id ORDER BY id LIMIT 1000",
		"SELECT 1; DROP TABLE cdr":                    "without a semicolon",
		"DELETE FROM cdr":                             "give a SELECT",
	} {
		cfg := r.cfg
		cfg.Query = query
		_, err := New(l, &cfg)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", query, err, want)
			continue
		}
		_, corrected, ok := strings.Cut(err.Error(), "Write: ")
		if !ok {
			continue
		}
		cfg.Query = corrected
		if _, err := New(l, &cfg); err != nil {
			t.Errorf("%s is still refused: %v", corrected, err)
		}
		// It is also what the server takes.
		if _, err := r.db.ExecContext(context.Background(), strings.ReplaceAll(corrected, ":last_id", strconv.Itoa(0))); err != nil {
			t.Errorf("%s: %v", corrected, err)
		}
	}
}

// A ShoreTel call is a row from its start: it is collected when it is over, with
// its parties, and the cursor waits for it. One that the server forgot to close
// is given up after a day.
func TestShoreTel(t *testing.T) {
	r := newRigOf(t, "shoretel")
	run(
		t, r.db,
		"CREATE TABLE `call` (ID INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, CallID BIGINT, SIPGUID CHAR(32), StartTime DATETIME, EndTime DATETIME, CallType INT, Locked TINYINT(1), "+
			"Extension VARCHAR(15), DialedNumber VARCHAR(32), CallerID VARCHAR(32), BillingCode VARCHAR(32), CallNote VARCHAR(64), WorkGroupCall TINYINT(1), LongDistance TINYINT(1))",
		"CREATE TABLE `connect` (ID INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, CallTableID INT, PartyType INT, ConnectReason INT, DisconnectReason INT, TrunkDirection INT, ConnectTime DATETIME, "+
			"DisconnectTime DATETIME, RingTime DATETIME, TalkTime DATETIME, HoldTime DATETIME, PartyID VARCHAR(50), PartyIDName VARCHAR(50), PartyIDLastName VARCHAR(50), PortName VARCHAR(50), GroupName VARCHAR(50))",
		"INSERT INTO `call` (CallID, StartTime, CallType, Locked, Extension) VALUES (1, NOW() - INTERVAL 25 HOUR, 3, 0, '100'), (2, NOW(), 3, 1, '101'), (3, NOW(), 3, 0, '102'), (4, NOW(), 3, 1, '103')",
		"INSERT INTO `connect` (CallTableID, PartyType, ConnectReason, PartyID, PartyIDName) VALUES (2, 1, 19, '101', REPEAT('x', 50)), (2, 2, 17, '12125550198', 'line')",
	)
	// More parties than the server's own limit of 1024 bytes holds.
	for range 40 {
		run(t, r.db, "INSERT INTO `connect` (CallTableID, PartyType, PartyID, PartyIDName) VALUES (2, 1, '101', REPEAT('x', 50))")
	}
	r.look()
	if got := r.column("ID"); !slices.Equal(got, []string{"2"}) {
		t.Fatalf("%v: call 3 is not over", got)
	}
	if got := r.column("PartyCount"); got[0] != "42" {
		t.Errorf("%v parties", got)
	}
	if got := r.column("Parties"); strings.Count(got[0], "\n") != 41 {
		t.Errorf("%d parties were put together", strings.Count(got[0], "\n")+1)
	}
	run(t, r.db, "UPDATE `call` SET Locked = 1 WHERE ID = 3")
	r.look()
	r.restart()
	r.look()
	if got := r.column("ID"); !slices.Equal(got, []string{"2", "3", "4"}) {
		t.Errorf("%v", got)
	}
}
