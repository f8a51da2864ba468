// Package evaluation runs models over parts of data sets: it hands plain numbers
// to package eval, compares a model with the truth of a simulated retina, and
// puts the results together as a page for package report.
package evaluation
