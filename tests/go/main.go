// The same application as tests/e2e/grpc_caller.py, with Go's gRPC.
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	_ "google.golang.org/grpc/xds"
)

const (
	method = "/pilotd.test.Who/Ask"
	callS  = 5 * time.Second
)

// Messages are bytes.
type bytesCodec struct{}

func (bytesCodec) Name() string                       { return "proto" }
func (bytesCodec) Marshal(v any) ([]byte, error)      { return *v.(*[]byte), nil }
func (bytesCodec) Unmarshal(data []byte, v any) error { *v.(*[]byte) = data; return nil }

// DeadlineExceeded is DEADLINE_EXCEEDED elsewhere.
func codeName(err error) string {
	return strings.ToUpper(regexp.MustCompile(`(.)([A-Z])`).ReplaceAllString(status.Code(err).String(), "${1}_$2"))
}

func connect(target string) *grpc.ClientConn {
	connection, err := grpc.NewClient("xds:///"+target, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return connection
}

func ask(connection *grpc.ClientConn, headers []string) string {
	ctx, cancel := context.WithTimeout(context.Background(), callS)
	defer cancel()
	for _, header := range headers {
		name, value, _ := strings.Cut(header, "=")
		ctx = metadata.AppendToOutgoingContext(ctx, name, value)
	}
	request, answer := []byte{}, []byte{}
	if err := connection.Invoke(ctx, method, &request, &answer, grpc.ForceCodec(bytesCodec{})); err != nil {
		return codeName(err)
	}
	return string(answer)
}

func main() {
	connections := map[string]*grpc.ClientConn{}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if connections[words[0]] == nil {
			connections[words[0]] = connect(words[0])
		}
		fmt.Println(ask(connections[words[0]], words[1:]))
	}
}
