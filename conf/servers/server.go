// SPDX-License-Identifier: ISC

// The smallest server on an inherited socket.  It says which process answers;
// /slow takes a second for it.
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func answer(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/slow" {
		time.Sleep(time.Second)
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"pid":%d,"generation":%s}`, os.Getpid(), os.Getenv("POOLD_GENERATION"))
}

// What sd_notify(3) does, without a library.
func notify(state string) {
	c, err := net.Dial("unixgram", os.Getenv("NOTIFY_SOCKET"))
	if err == nil {
		c.Write([]byte(state))
		c.Close()
	}
}

func main() {
	listener, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(answer)}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	go server.Serve(listener)
	notify("READY=1")
	<-stop
	// accept no more, and finish what is there
	server.Shutdown(context.Background())
}
