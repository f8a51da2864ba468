package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/open-retina/openretina-go/pkg/fileio"
	"github.com/open-retina/openretina-go/pkg/sweep"
)

// childJobs runs the jobs of a sweep, each as a process of its own: a crash, or
// memory that runs out, is the end of one job only.
type childJobs struct {
	sweptCommand
	f     *Factory
	sweep *sweep.Sweep
}

// run runs a job. What it prints goes to a log in its directory; its stderr too
// where several run at a time.
func (c *childJobs) run(ctx context.Context, job sweep.Job) (sweep.Outcome, error) {
	if err := fileio.MkdirAll(job.Dir); err != nil {
		return sweep.Outcome{}, err
	}
	log, err := os.OpenFile(filepath.Join(job.Dir, filepath.Base(job.Name)+".log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o666)
	if err != nil {
		return sweep.Outcome{}, err
	}
	defer log.Close()
	cmd, err := c.command(ctx, job)
	if err != nil {
		return sweep.Outcome{}, err
	}
	cmd.Stdout, cmd.Stderr = log, log
	if job.Parallel == 1 {
		cmd.Stderr = os.Stderr
	}
	if err := c.f.runChild(cmd); err != nil {
		fmt.Fprintln(log, err)
		return sweep.Outcome{}, err
	}
	return c.outcome(job.Dir, c.sweep.Searches())
}

// command is the same command again, for one job.
func (c *childJobs) command(ctx context.Context, job sweep.Job) (*exec.Cmd, error) {
	path, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args := append([]string{c.cmd.Name()}, childFlags(c.cmd)...)
	args = append(args, c.extra(job)...)
	args = append(args,
		fmt.Sprintf("--%s=%d", jobFlag, job.Number),
		fmt.Sprintf("--%s=%s", clockFlag, c.sweep.Record.Clock.Format(time.RFC3339Nano)),
		"--threads="+strconv.Itoa(max(threadCount(c.f.Settings.Threads)/job.Parallel, 1)), "--")
	args = append(args, job.Overrides...)
	// The job is told when to stop, see runChild, and never killed.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), path, args...)
	cmd.Args[0] = os.Args[0] // the name it was called by
	return cmd, nil
}

// runChild runs a process of this program, passes interrupts on, and gives the
// error that it ended with.
func (f *Factory) runChild(cmd *exec.Cmd) error {
	orders, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	answer, child, err := os.Pipe()
	if err != nil {
		return err
	}
	defer answer.Close()
	cmd.ExtraFiles = []*os.File{child}
	err = cmd.Start()
	_ = child.Close() // the process has its own
	if err != nil {
		return err
	}
	ended := make(chan struct{})
	go f.passInterrupts(orders, ended)
	text, _ := io.ReadAll(io.LimitReader(answer, 1<<16)) // what is lost only explains
	_, _ = io.Copy(io.Discard, answer)                   // lest the process waits for a reader
	err = cmd.Wait()
	close(ended)
	exit := (*exec.ExitError)(nil)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &exit) && exit.ExitCode() == exitInterrupted:
		return sweep.ErrInterrupted
	case len(text) > 0:
		return errors.New(strings.TrimSpace(string(bytes.ToValidUTF8(text, nil))))
	}
	return fmt.Errorf("its process ended with %w", err)
}

// passInterrupts sends a job a byte for each interrupt. It counts them beside the
// signals that reach it directly, so that Ctrl-C on a terminal, which does, counts
// once.
func (f *Factory) passInterrupts(orders io.Writer, ended <-chan struct{}) {
	for _, ctx := range []context.Context{f.Interrupts.Soft, f.Interrupts.Hard} {
		select {
		case <-ctx.Done():
			_, _ = orders.Write([]byte{'.'}) // a job that has ended needs none
		case <-ended:
			return
		}
	}
}

// answerFile is where a job tells its parent why it failed.
const answerFile = 3

// becomeJob makes this process the job of a sweep.
func (f *Factory) becomeJob() error {
	answer := os.NewFile(answerFile, "answer")
	if info, err := answer.Stat(); err != nil || info.Mode()&os.ModeNamedPipe == 0 {
		return errNoParent
	}
	f.answer = answer
	go f.Interrupts.Obey(f.IO.In)
	return nil
}

var errNoParent = flagErrorf("--%s and --%s are for the jobs that --multirun starts", jobFlag, clockFlag)
