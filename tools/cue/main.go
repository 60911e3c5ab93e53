// Command cue evaluates manifests: the part of the official command that capos uses, with the same arguments.
//
//	cue export --all-errors --out json FILE...
//	cue version
//
// Evaluator, messages and positions are those of the official packages, so the official command can replace this
// one. Module registries, other formats and other commands are left out, because they take most of the official
// command's build time.
package main

import (
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/errors"
)

const usage = `usage: cue export --all-errors --out json FILE...
       cue version
This command evaluates capOS manifests. For anything else there is the official one: https://cuelang.org
`

func main() {
	switch arguments := os.Args[1:]; {
	case slices.Equal(arguments, []string{"version"}):
		fmt.Println("cue version", version())
	case len(arguments) > 4 && slices.Equal(arguments[:4], []string{"export", "--all-errors", "--out", "json"}):
		if err := export(arguments[4:], os.Stdout); err != nil {
			directory, _ := os.Getwd()
			errors.Print(os.Stderr, err, &errors.Config{Cwd: directory})
			os.Exit(1)
		}
	default:
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
}

// export writes the value of the files, which form one package, as JSON.
func export(files []string, output io.Writer) error {
	directory, err := os.Getwd()
	if err != nil {
		return err
	}
	loader, err := newLoader(directory)
	if err != nil {
		return err
	}
	value := newContext().BuildInstance(loader.files(files))
	if err := value.Validate(cue.Concrete(true)); err != nil {
		return err
	}
	json, err := value.MarshalJSON()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(output, "%s\n", json)
	return err
}

// newContext creates a context without package cuecontext, which would pull in all builtin packages and their
// imports. The deprecated Runtime is the same type, and is initialized at its first use.
func newContext() *cue.Context {
	var runtime cue.Runtime
	_, _ = runtime.Compile("", "")
	return (*cue.Context)(&runtime)
}

// version returns the version of the official packages.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range info.Deps {
			if module.Path == "cuelang.org/go" {
				return module.Version
			}
		}
	}
	return "unknown"
}
