package main

import (
	"fmt"
	"strings"

	"github.com/gqlboost/gqlboost/stream/pgrows"
)

// object is how an object type of the schema is read: what follows it in the schema is
// what follows here.
type object struct {
	columns   map[string]column
	relations map[string]relation
}

// column is an expression over a row, which is named %s.
type column struct {
	sql    string
	quoted bool // an ID
}

// relation is a subquery. In its text, {rows} is what is selected of the type, {of} is
// the row that it belongs to, {to} is the name of its own rows, and {first} is the bound
// of a list.
type relation struct {
	to   string // the type
	list bool
	sql  string
}

const maxPage, maxExport = 100, 100_000 // as in the blog's resolvers

// objects are the types of the schema.
var objects = map[string]object{
	"User": {
		columns: map[string]column{
			"id": {"%s.id", true}, "handle": {"%s.handle", false}, "name": {"%s.name", false}, "email": {"%s.email", false},
			"bio":     {"%s.bio", false},
			"profile": {"%s.profile", false}, "createdAt": {"%s.created_at", false},
			"followerCount": {"(select count(*) from follows f where f.followee_id = %s.id)", false},
		},
		relations: map[string]relation{
			"posts": {"Post", true,
				"from posts {to} where {to}.author_id = {of}.id and {to}.status = 'PUBLISHED' order by {to}.id desc limit {first}"},
			"followers": {"User", true,
				"from follows f{to} join users {to} on {to}.id = f{to}.follower_id where f{to}.followee_id = {of}.id order by " +
					"f{to}.follower_id limit {first}"},
		},
	},
	"Post": {
		columns: map[string]column{
			"id": {"%s.id", true}, "title": {"%s.title", false}, "slug": {"%s.slug", false}, "excerpt": {"%s.excerpt", false},
			"body":   {"%s.body", false},
			"status": {"%s.status", false}, "views": {"%s.views", false}, "publishedAt": {"%s.published_at", false},
			"commentCount": {"(select count(*) from comments c where c.post_id = %s.id)", false},
		},
		relations: map[string]relation{
			"author": {"User", false, "from users {to} where {to}.id = {of}.author_id"},
			"tags": {"Tag", true,
				"from post_tags l{to} join tags {to} on {to}.id = l{to}.tag_id where l{to}.post_id = {of}.id order by {to}.id"},
			"comments": {"Comment", true, "from comments {to} where {to}.post_id = {of}.id order by {to}.id limit {first}"},
		},
	},
	"Comment": {
		columns: map[string]column{
			"id": {"%s.id", true}, "body": {"%s.body", false}, "createdAt": {"%s.created_at", false},
		},
		relations: map[string]relation{
			"author": {"User", false, "from users {to} where {to}.id = {of}.author_id"},
			"post":   {"Post", false, "from posts {to} where {to}.id = {of}.post_id"},
		},
	},
	"Tag": {columns: map[string]column{"id": {"%s.id", true}, "name": {"%s.name", false}}},
	"Totals": {columns: map[string]column{
		"users":    {"coalesce((select max(id) from users), 0)", false},
		"posts":    {"coalesce((select max(id) from posts), 0)", false},
		"comments": {"coalesce((select max(id) from comments), 0)", false},
	}},
}

// root is a field of Query: a statement, of whose parameters it names the arguments. What
// is in brackets is left out if its argument is null: a condition that allows for null
// would need another plan of Postgres for each value.
type root struct {
	to        string
	list      bool
	sql       string
	arguments []string
	optional  string // the one that may be null
	most      int64  // of the argument first
}

var roots = map[string]root{
	"totals": {to: "Totals", sql: "select {rows}"},
	"user":   {to: "User", sql: "select {rows} from users {to} where {to}.id = {id}", arguments: []string{"id"}},
	"post":   {to: "Post", sql: "select {rows} from posts {to} where {to}.id = {id}", arguments: []string{"id"}},
	"feed": {to: "Post", list: true, arguments: []string{"first", "before"}, optional: "before", most: maxPage,
		sql: "select {rows} from posts {to} where {to}.status = 'PUBLISHED' [and {to}.id < {before}] order by {to}.id desc " +
			"limit {first}"},
	"search": {to: "Post", list: true, arguments: []string{"text", "first"}, most: maxPage,
		sql: "select {rows} from posts {to} where {to}.search @@ plainto_tsquery('simple', {text}) and {to}.status = " +
			"'PUBLISHED' order by {to}.id desc limit {first}"},
	"comments": {to: "Comment", list: true, arguments: []string{"first", "after"}, optional: "after", most: maxExport,
		sql: "select {rows} from comments {to} [where {to}.id > {after}] order by {to}.id limit {first}"},
}

// writer compiles selections to expressions.
type writer struct {
	compiler  *compiler
	arguments []argument // $1 and so on
	aliases   int
}

func (s *writer) alias() string {
	s.aliases++
	return fmt.Sprintf("t%d", s.aliases)
}

// place returns what stands in SQL for an argument. A number that is in the query is one
// in the statement: for a limit that it does not know, Postgres would plan each time.
func (s *writer) place(a argument) string {
	if n, ok := a.constant.(int64); ok && a.variable == "" && a.kind == "Int" && n >= 0 && n <= a.most {
		return fmt.Sprint(n)
	}
	s.arguments = append(s.arguments, a)
	return fmt.Sprintf("$%d", len(s.arguments))
}

// rows returns what is selected of a row, and its shape.
func (s *writer) rows(typename, of string, selection []*selected) (string, []pgrows.Field, error) {
	var columns []string
	fields := []pgrows.Field{}
	for _, f := range selection {
		if f.name == "__typename" {
			fields = append(fields, pgrows.Field{Name: f.key, Constant: typename})
			continue
		}
		if c, ok := objects[typename].columns[f.name]; ok {
			columns = append(columns, strings.ReplaceAll(c.sql, "%s", of))
			fields = append(fields, pgrows.Field{Name: f.key, Quoted: c.quoted})
			continue
		}
		r, ok := objects[typename].relations[f.name]
		if !ok {
			return "", nil, errNotPlanned
		}
		to := s.alias()
		inner, shape, err := s.rows(r.to, to, f.selection)
		if err != nil {
			return "", nil, err
		}
		names := []string{"{to}", to, "{of}", of}
		if strings.Contains(r.sql, "{first}") {
			first, err := s.compiler.argument(f.field, "first", maxPage)
			if err != nil {
				return "", nil, err
			}
			names = append(names, "{first}", s.place(first))
		}
		query := "(select row(" + inner + ") " + strings.NewReplacer(names...).Replace(r.sql) + ")"
		if r.list {
			query = "array" + query
		}
		columns = append(columns, query)
		fields = append(fields, pgrows.Field{Name: f.key, Fields: shape})
	}
	return strings.Join(columns, ", "), fields, nil
}

// statement compiles a field of Query, without what an argument is for if that is null.
func (s *writer) statement(f *selected, definition root, null bool) (string, []pgrows.Field, error) {
	to := s.alias()
	rows, shape, err := s.rows(definition.to, to, f.selection)
	if err != nil {
		return "", nil, err
	}
	sql := definition.sql
	if before, rest, ok := strings.Cut(sql, "["); ok {
		clause, after, _ := strings.Cut(rest, "]")
		if null {
			clause = ""
		}
		sql = before + clause + after
	}
	names := []string{"{rows}", rows, "{to}", to}
	for _, name := range definition.arguments {
		if !strings.Contains(sql, "{"+name+"}") {
			continue
		}
		a, err := s.compiler.argument(f.field, name, definition.most)
		if err != nil {
			return "", nil, err
		}
		names = append(names, "{"+name+"}", s.place(a))
	}
	return strings.NewReplacer(names...).Replace(sql), shape, nil
}
