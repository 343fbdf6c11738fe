package access

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"time"
)

// How long our own certificates are good.
const (
	caYears   = 20
	certYears = 2
)

// Certificate makes a certificate for a server of these names and addresses, and
// the authority before it where there is none. A certificate that is there is
// only renewed when told.
func (f Folder) Certificate(name string, hosts []string, renew bool) (cert, key string, err error) {
	if len(hosts) == 0 {
		return "", "", errors.New("give the names under which the server is reached")
	}
	ca, caKey, err := f.authority()
	if err != nil {
		return "", "", err
	}
	priv, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", err
	}
	template, err := newCertificate("trunkline "+name, certYears)
	if err != nil {
		return "", "", err
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, h)
		}
	}
	write := create
	if renew {
		write = replace
	}
	cert, key = f.Path(dirServer, name+".crt"), f.Path(dirServer, name+".key")
	if err := writeCertificate(write, cert, key, template, ca, priv, caKey); err != nil {
		return "", "", err
	}
	return cert, key, nil
}

// UseTLS lets the hub's NATS server use a certificate, which stands in its folder
// etc.
func (f Folder) UseTLS(name, etc string) error {
	return replace(f.Path(dirServer, "tls.conf"), fmt.Appendf(nil, `# After a renewal: nats-server --signal reload
tls {
  cert_file: "%[2]s/%[1]s.crt"
  key_file: "%[2]s/%[1]s.key"
  min_version: "1.2"
}
`, name, etc))
}

// authority reads our own, or makes it.
func (f Folder) authority() (*x509.Certificate, *ecdsa.PrivateKey, error) {
	certFile, keyFile := f.Path(dirCA, "ca.crt"), f.Path(dirCA, "ca.key")
	if f.CA() == "" {
		if _, err := os.Stat(f.Path(dirServer)); err != nil {
			return nil, nil, fmt.Errorf("give the folder that `trunkline init hub` made: %w", err)
		}
		priv, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, nil, err
		}
		template, err := newCertificate("trunkline authority", caYears)
		if err != nil {
			return nil, nil, err
		}
		template.IsCA, template.BasicConstraintsValid, template.MaxPathLenZero = true, true, true
		template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
		if err := writeCertificate(create, certFile, keyFile, template, template, priv, priv); err != nil {
			return nil, nil, err
		}
	}
	certBlock, err := readPEM(certFile)
	if err != nil {
		return nil, nil, err
	}
	cert, err := x509.ParseCertificate(certBlock)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", certFile, err)
	}
	keyBlock, err := readPEM(keyFile)
	if err != nil {
		return nil, nil, err
	}
	key, err := x509.ParseECPrivateKey(keyBlock)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", keyFile, err)
	}
	return cert, key, nil
}

func readPEM(file string) ([]byte, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, fmt.Errorf("%s holds no PEM", file)
	}
	return block.Bytes, nil
}

func newCertificate(name string, years int) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		// A site's clock may be behind.
		NotBefore: now.Add(-24 * time.Hour), NotAfter: now.AddDate(years, 0, 0),
	}, nil
}

func writeCertificate(write func(string, []byte) error, certFile, keyFile string, template, parent *x509.Certificate, key, by *ecdsa.PrivateKey) error {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, by)
	if err != nil {
		return err
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	if err := write(keyFile, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private})); err != nil {
		return err
	}
	return write(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}
