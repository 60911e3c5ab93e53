package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/literal"
	"cuelang.org/go/cue/parser"
)

// module is the module that contains a folder. Without a root there is none.
type module struct {
	root string
	// The prefix of its packages' import paths.
	path string
	// The version of its language.
	language string
}

// place is a location of a package's files: a folder, and the ancestor at which the search ends.
type place struct {
	root, folder string
}

// findModule looks for cue.mod/module.cue in the folder and those above it.
func findModule(folder string) (module, error) {
	for {
		name := filepath.Join(folder, "cue.mod", "module.cue")
		text, err := os.ReadFile(name)
		if err == nil {
			return readModule(folder, name, text)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return module{}, err
		}
		above := filepath.Dir(folder)
		if above == folder {
			return module{}, nil
		}
		folder = above
	}
}

func readModule(root, name string, text []byte) (module, error) {
	file, err := parser.ParseFile(name, text)
	if err != nil {
		return module{}, err
	}
	path, _, _ := strings.Cut(textAt(file.Decls, "module"), "@")
	return module{root: root, path: path, language: textAt(file.Decls, "language", "version")}, nil
}

// textAt returns the string at a path of fields, or an empty string.
func textAt(declarations []ast.Decl, path ...string) string {
	for _, declaration := range declarations {
		field, ok := declaration.(*ast.Field)
		if !ok {
			continue
		}
		if label, _, err := ast.LabelName(field.Label); err != nil || label != path[0] {
			continue
		}
		switch value := field.Value.(type) {
		case *ast.StructLit:
			if len(path) > 1 {
				return textAt(value.Elts, path[1:]...)
			}
		case *ast.BasicLit:
			if text, err := literal.Unquote(value.Value); err == nil && len(path) == 1 {
				return text
			}
		}
	}
	return ""
}

// places returns the possible locations of a package in the module.
func (m module) places(path string) []place {
	var all []place
	if below, ok := strings.CutPrefix(path, m.path); ok && m.path != "" && (below == "" || below[0] == '/') {
		all = append(all, place{m.root, filepath.Join(m.root, filepath.FromSlash(below))})
	}
	for _, kind := range []string{"gen", "pkg", "usr"} {
		root := filepath.Join(m.root, "cue.mod", kind)
		all = append(all, place{root, filepath.Join(root, filepath.FromSlash(path))})
	}
	return all
}
