package local

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
)

// grace is what a cancelled command has to tidy up before it is killed.
const grace = 10 * time.Second

// run runs a command, if there is one, and records what it printed. The record changes only if it succeeds.
func (o *Outputs) run(ctx context.Context, command *string) error {
	if command == nil {
		return nil
	}
	words := []string{"/bin/sh", "-c"}
	if o.Interpreter != nil && len(*o.Interpreter) > 0 {
		words = append([]string(nil), *o.Interpreter...)
	}
	words = append(words, *command)

	process := exec.CommandContext(ctx, words[0], words[1:]...)
	process.Env = o.environ()
	if o.Dir != nil {
		process.Dir = *o.Dir
	}
	if o.Stdin != nil && *o.Stdin != "" {
		process.Stdin = strings.NewReader(*o.Stdin)
	}

	both := &transcript{}
	stdout, stderr := &stream{all: both}, &stream{all: both}
	if o.logs(LogStdout) {
		stdout.show = p.GetLogger(ctx).InfoStatus
	}
	if o.logs(LogStderr) {
		stderr.show = p.GetLogger(ctx).InfoStatus
	}
	process.Stdout, process.Stderr = stdout, stderr

	err := runGroup(process)
	stdout.flush()
	stderr.flush()
	if err != nil {
		return fmt.Errorf("%w: running %q:\n%s", err, *command, both.text.String())
	}
	o.Stdout = strings.TrimSuffix(stdout.text.String(), "\n")
	o.Stderr = strings.TrimSuffix(stderr.text.String(), "\n")
	return nil
}

// runGroup runs a process in a group of its own, so that cancelling it ends its children too.
func runGroup(process *exec.Cmd) error {
	// The group must not outlive this plugin, however the plugin ends. That signal comes when the *thread* ends
	// that started the process, so the thread has to stay.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}

	var late *time.Timer
	kill := func() { _ = syscall.Kill(-process.Process.Pid, syscall.SIGKILL) }
	process.Cancel = func() error {
		late = time.AfterFunc(grace, kill)
		return syscall.Kill(-process.Process.Pid, syscall.SIGTERM)
	}
	err := process.Run()
	if late != nil {
		late.Stop()
		kill()
	}
	return err
}

func (o *Outputs) environ() []string {
	environ := os.Environ()
	if o.Environment != nil {
		for name, value := range *o.Environment {
			environ = append(environ, name+"="+value)
		}
	}
	if o.AddPreviousOutputInEnv == nil || *o.AddPreviousOutputInEnv {
		if o.Stdout != "" {
			environ = append(environ, "PULUMI_COMMAND_STDOUT="+o.Stdout)
		}
		if o.Stderr != "" {
			environ = append(environ, "PULUMI_COMMAND_STDERR="+o.Stderr)
		}
	}
	return environ
}

func (o *Outputs) logs(stream Logging) bool {
	return o.Logging == nil || *o.Logging == LogBoth || *o.Logging == stream
}

// transcript is what both streams printed, as it came: for the error message of a command that fails.
type transcript struct {
	lock sync.Mutex
	text bytes.Buffer
}

// stream is one of a command's streams: kept, and shown line by line while it comes.
type stream struct {
	text  bytes.Buffer
	all   *transcript
	show  func(string) // nil: not shown
	shown int          // how much of text was
}

// Write takes the output in whatever pieces it comes.
func (s *stream) Write(printed []byte) (int, error) {
	s.all.lock.Lock()
	s.all.text.Write(printed)
	s.all.lock.Unlock()
	s.text.Write(printed)
	if s.show == nil {
		return len(printed), nil
	}
	for {
		line, _, whole := bytes.Cut(s.text.Bytes()[s.shown:], []byte("\n"))
		if !whole {
			return len(printed), nil
		}
		s.show(string(line))
		s.shown += len(line) + 1
	}
}

// flush shows a last line that has no end.
func (s *stream) flush() {
	if rest := s.text.Bytes()[s.shown:]; s.show != nil && len(rest) > 0 {
		s.show(string(rest))
	}
}
