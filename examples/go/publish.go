// Publishes a job and waits for its end. Standard library only.
//
//	go run publish.go BODY.json     WRITEBEHIND_URL, WRITEBEHIND_TOKEN; exit 0: Succeeded, 1: anything else
package main

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"time"
)

const patience = 120 * time.Second

var client = http.Client{Timeout: 60 * time.Second}

type job struct {
	JobID         string
	Status        string
	Written, Dead int64
	Failures      []struct{ ID, Reason string }
}

type problem struct {
	Status       int
	Code, Detail string
}

func (p *problem) Error() string { return fmt.Sprintf("%d %s: %s", p.Status, p.Code, p.Detail) }

// once sends one request; mayPass says that it is worth sending again, after pause.
func once(method, url string, body []byte, header http.Header, answer any) (pause time.Duration, mayPass bool, err error) {
	request, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		return 0, false, err
	}
	request.Header = header
	response, err := client.Do(request)
	if err != nil {
		return time.Second, true, err
	}
	defer response.Body.Close()
	if response.StatusCode < 300 {
		return 0, false, json.NewDecoder(response.Body).Decode(answer)
	}
	refused := &problem{Status: response.StatusCode}
	_ = json.NewDecoder(response.Body).Decode(refused) // a proxy's answer may be no problem document
	seconds, err := strconv.Atoi(response.Header.Get("Retry-After"))
	if err != nil {
		seconds = 1
	}
	status := response.StatusCode
	return time.Duration(seconds) * time.Second, status == 429 || status == 503, refused
}

// call sends what may pass (429, 503, no answer) again as it is, until patience ends.
func call(method, path string, body []byte, header http.Header, answer any) error {
	base := os.Getenv("WRITEBEHIND_URL")
	if base == "" {
		base = "http://127.0.0.1:8080"
	}
	if token := os.Getenv("WRITEBEHIND_TOKEN"); token != "" {
		header.Set("Authorization", "Bearer "+token)
	}
	giveUp := time.Now().Add(patience)
	for {
		pause, mayPass, err := once(method, base+path, body, header, answer)
		if err == nil || !mayPass || time.Now().After(giveUp) {
			return err
		}
		time.Sleep(pause)
	}
}

// publish returns the job's id as soon as the writes are durable. One key for all attempts: the job is published once.
func publish(body []byte) (string, error) {
	key := make([]byte, 16)
	if _, err := rand.Read(key); err != nil {
		return "", err
	}
	header := http.Header{}
	header.Set("Content-Type", "application/json")
	header.Set("Idempotency-Key", fmt.Sprintf("%x", key))
	var accepted job
	err := call("POST", "/v1/jobs", body, header, &accepted)
	return accepted.JobID, err
}

// end returns the job when it has ended.
func end(jobID string) (job, error) {
	for {
		var now job
		if err := call("GET", "/v1/jobs/"+jobID+"?wait=30", nil, http.Header{}, &now); err != nil {
			return now, err
		}
		if now.Status == "Succeeded" || now.Status == "Failed" {
			return now, nil
		}
		time.Sleep(time.Second)
	}
}

func run() error {
	if len(os.Args) != 2 {
		return fmt.Errorf("usage: publish BODY.json")
	}
	body, err := os.ReadFile(os.Args[1])
	if err != nil {
		return err
	}
	jobID, err := publish(body)
	if err != nil {
		return fmt.Errorf("refused: %w", err)
	}
	fmt.Println("accepted:", jobID)
	ended, err := end(jobID)
	if err != nil {
		return err
	}
	fmt.Printf("%s: %d written, %d dead\n", ended.Status, ended.Written, ended.Dead)
	if ended.Status != "Succeeded" {
		return fmt.Errorf("dead: %+v", ended.Failures)
	}
	return nil
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
