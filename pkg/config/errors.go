package config

import (
	"errors"
	"fmt"
	"strings"
)

// The names of the exceptions that Hydra and OmegaConf raise; Error.Class is one
// of them, or one of our own.
const (
	classComposition        = "ConfigCompositionException"
	classMissingConfig      = "MissingConfigException"
	classOverrideParse      = "OverrideParseException"
	classHydra              = "HydraException"
	classGrammar            = "GrammarParseError"
	classKey                = "ConfigKeyError"
	classAttribute          = "ConfigAttributeError"
	classAttributePython    = "AttributeError"
	classType               = "ConfigTypeError"
	classIndex              = "ConfigIndexError"
	classValidation         = "ValidationError"
	classKeyValidation      = "KeyValidationError"
	classInterpolation      = "InterpolationResolutionError"
	classInterpolationKey   = "InterpolationKeyError"
	classToMissing          = "InterpolationToMissingValueError"
	classUnsupported        = "UnsupportedInterpolationType"
	classMissingValue       = "MissingMandatoryValue"
	classValue              = "ValueError"
	classPythonType         = "TypeError"
	classOverflow           = "OverflowError"
	classPythonKey          = "KeyError"
	classParser             = "ParserError"
	classConstructor        = "ConstructorError"
	classDecode             = "DecodeError"
	classTarget             = "TargetError"
	classComposer           = "ComposerError"
	classScanner            = "ScannerError"
	classReader             = "ReaderError"
	classIO                 = "OSError"
	classAssertion          = "AssertionError"
	interpolationClassStart = "Interpolation"
)

// Error is a refused config. Commands that end with one exit with code 2.
type Error struct {
	// Class is the name of the exception that Hydra or OmegaConf raises in this
	// case, "DecodeError" or "TargetError" for what only this package checks.
	Class string
	// Message says what is wrong; where Hydra refuses too, its first line.
	Message string
	// Hint says what to do about it; it may be empty.
	Hint string
	// Key is the full path of the value in question; it may be empty.
	Key string
	// Origin is where the value was set.
	Origin Origin
	// Cause is the error below this one; it may be nil.
	Cause error
}

// Error gives place, message, cause and hint in one line.
func (e *Error) Error() string {
	var b strings.Builder
	if place := e.Origin.String(); place != "" {
		b.WriteString(place + ": ")
	}
	if e.Key != "" && e.isAboutReference() {
		b.WriteString(oneLine(e.Key) + ": ")
	}
	b.WriteString(oneLine(e.Message))
	if e.Cause != nil {
		switch {
		case strings.HasSuffix(e.Message, "."):
			b.WriteByte(' ')
		case e.Message != "":
			b.WriteString(": ")
		}
		b.WriteString(oneLine(e.Cause.Error()))
	}
	if e.Hint != "" {
		b.WriteString(" (" + oneLine(e.Hint) + ")")
	}
	return b.String()
}

// isAboutReference says whether the message tells what an interpolation refers to,
// so that the key of the value itself must be added.
func (e *Error) isAboutReference() bool {
	return strings.HasPrefix(e.Class, interpolationClassStart) || e.Class == classUnsupported || e.Class == classGrammar
}

// Unwrap gives the error below this one.
func (e *Error) Unwrap() error { return e.Cause }

// ErrorList is several errors found in one pass, in the order of the config.
type ErrorList []*Error

// Error joins the messages in one line.
func (l ErrorList) Error() string {
	texts := make([]string, len(l))
	for i, e := range l {
		texts[i] = e.Error()
	}
	return strings.Join(texts, "; ")
}

// Unwrap gives the errors, so that errors.As finds an *Error.
func (l ErrorList) Unwrap() []error {
	errs := make([]error, len(l))
	for i, e := range l {
		errs[i] = e
	}
	return errs
}

func newError(class, format string, args ...any) *Error {
	return &Error{Class: class, Message: fmt.Sprintf(format, args...)}
}

// at adds the place and key of a node to an error that has none yet.
func (e *Error) at(n *Node) *Error {
	if n == nil {
		return e
	}
	if e.Origin == (Origin{}) {
		e.Origin = n.origin
	}
	if e.Key == "" {
		e.Key = n.Path()
	}
	return e
}

// from sets the place of an error about what is no node.
func (e *Error) from(o Origin) *Error {
	e.Origin = o
	return e
}

func (e *Error) because(cause error) *Error {
	e.Cause = cause
	return e
}

func (e *Error) hint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// asError finds the Error in a chain.
func asError(err error) (*Error, bool) {
	var e *Error
	ok := errors.As(err, &e)
	return e, ok
}

// oneLine replaces line breaks, since an error is one line.
func oneLine(s string) string {
	if !strings.ContainsAny(s, "\r\n") {
		return s
	}
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' }), " ")
}

// wrapComposition puts an error of OmegaConf under the one that Hydra raises.
func wrapComposition(err error) error {
	return (&Error{Class: classComposition}).because(err)
}
