package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/build"
	"cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/parser"
	"cuelang.org/go/cue/token"
)

// loader reads files, and the packages that they import from the enclosing module.
type loader struct {
	directory string
	module    module
	context   *build.Context
	// Import paths of the packages that are being loaded, each imported by the one before it.
	loading []string
}

func newLoader(directory string) (*loader, error) {
	module, err := findModule(directory)
	if err != nil {
		return nil, err
	}
	l := &loader{directory: directory, module: module}
	l.context = build.NewContext(build.Loader(l.imported))
	return l, nil
}

// files loads files that were named on the command line. Errors are recorded in the instance.
func (l *loader) files(names []string) *build.Instance {
	instance := l.context.NewInstance(l.directory, l.imported)
	instance.User = true
	for _, name := range names {
		if !filepath.IsAbs(name) {
			name = filepath.Join(l.directory, name)
		}
		l.add(instance, name)
	}
	_ = instance.Complete()
	return instance
}

// add reads another file into the instance.
func (l *loader) add(instance *build.Instance, name string) {
	file, err := l.parse(name)
	if err != nil {
		instance.ReportError(errors.Promote(err, "load"))
		return
	}
	_ = instance.AddSyntax(file)
}

func (l *loader) parse(name string, modes ...parser.Option) (*ast.File, error) {
	options := append([]parser.Option{parser.ParseComments}, modes...)
	if l.module.language != "" {
		options = append(options, parser.Version(l.module.language))
	}
	return parser.ParseFile(name, nil, options...)
}

// imported loads the package at an import path. For builtin packages it returns nothing: the evaluator provides
// them.
func (l *loader) imported(position token.Pos, path string) *build.Instance {
	if first, _, _ := strings.Cut(path, "/"); !strings.Contains(first, ".") {
		return nil
	}
	parts := ast.ParseImportPath(path)
	instance := l.context.NewInstance(l.directory, l.imported)
	instance.ImportPath = path
	instance.DisplayPath = path
	instance.PkgName = parts.Qualifier
	fail := func(format string, arguments ...any) *build.Instance {
		instance.ReportError(errors.Newf(position, format, arguments...))
		return instance
	}
	if build.IsLocalImport(path) {
		return fail("relative import paths not allowed (%q)", path)
	}
	if slices.Contains(l.loading, path) {
		return fail("package import cycle not allowed")
	}
	if l.module.root == "" {
		return fail("imports are unavailable because there is no cue.mod/module.cue file")
	}
	l.loading = append(l.loading, path)
	defer func() { l.loading = l.loading[:len(l.loading)-1] }()

	// Not all of the places need to exist.
	found, exists := false, false
	for _, place := range l.module.places(parts.Path) {
		if info, err := os.Stat(place.folder); err != nil || !info.IsDir() {
			continue
		}
		exists = true
		names, err := l.packageFiles(place, parts.Qualifier)
		if err != nil {
			return fail("cannot load package %q: %v", path, err)
		}
		for _, name := range names {
			found = true
			l.add(instance, name)
		}
	}
	if !exists {
		return fail("cannot find package %q: the module has no such folder; for modules from a registry, set CUE to the path of the official cue command", path)
	}
	if !found {
		return fail("cannot find package %q: no files in package directory with package name %q", path, parts.Qualifier)
	}
	_ = instance.Complete()
	return instance
}

// packageFiles lists the files of a package: those in its folder and, if there are any, those with the same package
// name in the folders above, up to the root.
func (l *loader) packageFiles(place place, name string) ([]string, error) {
	var all []string
	for folder := place.folder; ; folder = filepath.Dir(folder) {
		entries, err := os.ReadDir(folder)
		if err != nil {
			return nil, err
		}
		for _, entry := range entries {
			base := entry.Name()
			if entry.IsDir() || filepath.Ext(base) != ".cue" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
				continue
			}
			file := filepath.Join(folder, base)
			syntax, err := l.parse(file, parser.PackageClauseOnly)
			if err != nil {
				return nil, err
			}
			if syntax.PackageName() == name {
				all = append(all, file)
			}
		}
		if len(all) == 0 || folder == place.root {
			return all, nil
		}
	}
}
