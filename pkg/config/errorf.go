package config

// classApplication is the class of errors that a program finds in a config that
// composes: a key it needs is absent, a value makes no sense.
const classApplication = "ConfigError"

// Errorf makes an error about a node, with its file, line and key, for what a
// program finds wrong with a config.
func Errorf(n *Node, format string, args ...any) *Error {
	return newError(classApplication, format, args...).at(n)
}
