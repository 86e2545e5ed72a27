package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/mod/module"
)

// writeProxy writes a module proxy into dir that serves the published modules as they are
// in the working tree, for GOPROXY=file://dir. They have the version that they require of
// each other, so that nothing in them needs to be changed.
func (t tree) writeProxy(ctx context.Context, dir string) error {
	version, err := t.version()
	if err != nil {
		return err
	}
	for _, folder := range published {
		if err := t.serve(ctx, dir, folder, version); err != nil {
			return err
		}
	}
	return nil
}

func (t tree) serve(ctx context.Context, dir, folder, version string) (err error) {
	escaped, err := module.EscapePath(modulePath(folder))
	if err != nil {
		return err
	}
	dir = filepath.Join(dir, filepath.FromSlash(escaped), "@v")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	goMod, err := os.ReadFile(t.path(folder, "go.mod"))
	if err != nil {
		return err
	}
	info, err := json.Marshal(struct {
		Version string
		Time    time.Time
	}{version, time.Now().UTC()})
	if err != nil {
		return err
	}
	files := map[string][]byte{"list": []byte(version + "\n"), version + ".info": info, version + ".mod": goMod}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return err
		}
	}
	w, err := os.Create(filepath.Join(dir, version+".zip"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	return t.archive(ctx, w, folder, version)
}
