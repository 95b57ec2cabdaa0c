// The oracle of the template tests: renders templates with the real text/template and the real sprig.
//
//	go run . corpus INPUTS EXPECTED   renders INPUTS/*.json into EXPECTED/*.json
//	go run . serve                    answers one case a line on standard input, for differential fuzzing
//	go run . measure                  prints the seconds of each of 20 renderings of the case on standard input
//	go run . signatures               prints the Go signature of every function of sprig
//
// A case is {"template": …, "env": {…}}; an answer adds "output" or "error". Bytes that are no UTF-8 are
// given as "output64" in base64. "files" has what the function file finds, by path. The time zone is UTC and the template is called "config", as the program's.
package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"sort"
	"strings"
	"text/template"
	"time"
	"unicode/utf8"

	"github.com/Masterminds/sprig/v3"
)

type testCase struct {
	Template string            `json:"template"`
	Env      map[string]string `json:"env,omitempty"`
	Files    map[string]string `json:"files,omitempty"`
	Output   *string           `json:"output,omitempty"`
	Output64 string            `json:"output64,omitempty"`
	Error    string            `json:"error,omitempty"`
}

// Data is what a template is given, as the program gives it; errors name the type.
type Data struct{ Env map[string]string }

func functions(env, files map[string]string) template.FuncMap {
	functions := sprig.TxtFuncMap()
	functions["env"] = func(name string) string { return env[name] }
	functions["expandenv"] = func(text string) string { return os.Expand(text, func(name string) string { return env[name] }) }
	functions["file"] = func(path string) string { return strings.ReplaceAll(files[path], "\n", "\\n") }
	functions["accessor"] = func(path string) string { return "__accessor__" + strings.TrimRight(path, "/") }
	// Values of types that no function of sprig returns.
	functions["goInt8"] = func(number int) int8 { return int8(number) }
	functions["goUint64"] = func(number int) uint64 { return uint64(number) }
	functions["goFloat32"] = func(number float64) float32 { return float32(number) }
	functions["goBytes"] = func(text string) []byte { return []byte(text) }
	functions["goError"] = func(text string) error { return fmt.Errorf("%s", text) }
	return functions
}

func render(c testCase) (answer testCase) {
	answer = testCase{Template: c.Template, Env: c.Env, Files: c.Files}
	env := c.Env
	if env == nil {
		env = map[string]string{}
	}
	parsed, err := template.New("config").Delims("${", "}").Funcs(functions(env, c.Files)).Parse(c.Template)
	if err != nil {
		answer.Error = err.Error()
		return answer
	}
	var out bytes.Buffer
	if err := parsed.Execute(&out, Data{env}); err != nil {
		answer.Error = strings.ReplaceAll(err.Error(), "main.Data", "Data")
		return answer
	}
	if utf8.Valid(out.Bytes()) {
		text := out.String()
		answer.Output = &text
	} else {
		answer.Output64 = base64.StdEncoding.EncodeToString(out.Bytes())
	}
	return answer
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func encode(value any) []byte {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	must(encoder.Encode(value))
	return bytes.TrimSpace(out.Bytes())
}

func corpus(inputs, expected string) {
	files, err := filepath.Glob(filepath.Join(inputs, "*.json"))
	must(err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		must(err)
		var cases []testCase
		must(json.Unmarshal(text, &cases))
		lines := make([]string, 0, len(cases))
		for _, c := range cases {
			lines = append(lines, string(encode(render(c))))
		}
		whole := "[\n" + strings.Join(lines, ",\n") + "\n]\n"
		must(os.WriteFile(filepath.Join(expected, filepath.Base(file)), []byte(whole), 0o644))
	}
}

func serve() {
	reader := bufio.NewReader(os.Stdin)
	writer := bufio.NewWriter(os.Stdout)
	for {
		line, err := reader.ReadBytes('\n')
		if err != nil {
			return
		}
		var c testCase
		must(json.Unmarshal(line, &c))
		writer.Write(encode(render(c)))
		writer.WriteByte('\n')
		must(writer.Flush())
	}
}

func measure() {
	var c testCase
	must(json.NewDecoder(os.Stdin).Decode(&c))
	for round := 0; round < 20; round++ {
		started := time.Now()
		render(c)
		fmt.Println(time.Since(started).Seconds())
	}
}

func signatures() {
	functions := sprig.TxtFuncMap()
	names := make([]string, 0, len(functions))
	for name := range functions {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		fmt.Printf("%s %s\n", name, reflect.TypeOf(functions[name]))
	}
}

func main() {
	time.Local = time.UTC
	switch {
	case len(os.Args) == 4 && os.Args[1] == "corpus":
		corpus(os.Args[2], os.Args[3])
	case len(os.Args) == 2 && os.Args[1] == "serve":
		serve()
	case len(os.Args) == 2 && os.Args[1] == "measure":
		measure()
	case len(os.Args) == 2 && os.Args[1] == "signatures":
		signatures()
	default:
		fmt.Fprintln(os.Stderr, "usage: oracle corpus INPUTS EXPECTED | serve | measure | signatures")
		os.Exit(64)
	}
}
