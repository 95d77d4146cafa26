// Verifies certificates, and connects to servers, as programs in Go do.
//
//	foreign verify MANIFEST   each line: name, leaf, issuing CAs (joined by commas), root, host or "-"
//	foreign connect MANIFEST  each line: name, address, host, root
//
// Columns are separated by tabs. Prints one line for each: name, tab, "ok" and the URI names, or the error.
package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"strings"
	"time"
)

func read(file string) ([]*x509.Certificate, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var all []*x509.Certificate
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		one, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

func pool(files ...string) (*x509.CertPool, error) {
	found := x509.NewCertPool()
	for _, file := range files {
		all, err := read(file)
		if err != nil {
			return nil, err
		}
		for _, one := range all {
			found.AddCert(one)
		}
	}
	return found, nil
}

func verify(columns []string) (string, error) {
	leaf, err := read(columns[1])
	if err != nil {
		return "", err
	}
	var issuers []string
	if columns[2] != "-" {
		issuers = strings.Split(columns[2], ",")
	}
	intermediates, err := pool(issuers...)
	if err != nil {
		return "", err
	}
	roots, err := pool(columns[3])
	if err != nil {
		return "", err
	}
	options := x509.VerifyOptions{Roots: roots, Intermediates: intermediates}
	checked := leaf[0]
	if columns[4] != "-" {
		options.DNSName = columns[4]
	} else {
		options.KeyUsages = []x509.ExtKeyUsage{x509.ExtKeyUsageAny}
		// Since 1.26, Verify refuses any URI without a host below a CA with name constraints: the last link is
		// looked at by itself.
		if len(issuers) > 0 {
			ca, err := read(issuers[0])
			if err != nil {
				return "", err
			}
			if err = checked.CheckSignatureFrom(ca[0]); err != nil {
				return "", err
			}
			checked = ca[0]
		}
	}
	if _, err = checked.Verify(options); err != nil {
		return "", err
	}
	if len(leaf[0].UnhandledCriticalExtensions) > 0 {
		return "", fmt.Errorf("unhandled: %v", leaf[0].UnhandledCriticalExtensions)
	}
	var uris []string
	for _, uri := range leaf[0].URIs {
		uris = append(uris, uri.String())
	}
	return strings.Join(uris, " "), nil
}

func connect(columns []string) (string, error) {
	roots, err := pool(columns[3])
	if err != nil {
		return "", err
	}
	dialer := &net.Dialer{Timeout: 60 * time.Second}
	connection, err := tls.DialWithDialer(dialer, "tcp", columns[1], &tls.Config{RootCAs: roots, ServerName: columns[2]})
	if err != nil {
		return "", err
	}
	return tls.CipherSuiteName(connection.ConnectionState().CipherSuite), connection.Close()
}

func main() {
	file, err := os.Open(os.Args[2])
	if err != nil {
		panic(err)
	}
	do := map[string]func([]string) (string, error){"verify": verify, "connect": connect}[os.Args[1]]
	for lines := bufio.NewScanner(file); lines.Scan(); {
		columns := strings.Split(lines.Text(), "\t")
		if said, err := do(columns); err != nil {
			fmt.Printf("%s\terror %v\n", columns[0], err)
		} else {
			fmt.Printf("%s\tok %s\n", columns[0], said)
		}
	}
}
