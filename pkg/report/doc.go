// Package report shows results: a most exciting input as a picture (PNG), a
// stimulus as a moving one (GIF), and an evaluation as a page of HTML that needs
// nothing but itself. It takes plain numbers, and writes to any io.Writer.
package report
