package advisor_test

import "github.com/gqlboost/gqlboost/pool/advisor"

// port is a schema that fresh eyes have made: what several scans need together, what only the
// rows that came out tell, large logs, shapes, and keys that there are.
var port = testbed{
	name: "port",
	schema: `
create table berth (id int primary key, pier text not null, kind varchar(40) not null, spot point not null);
insert into berth select i, 'pier ' || i % 40, 'kind ' || md5(i::text), point(i % 113, i % 97) from generate_series(1, 9000) i;
create table passage (at timestamptz not null, berth int not null, ship int not null, words text not null);
insert into passage select timestamptz '2025-01-01' + i * interval '40 seconds', i * 31 % 9000, i % 700, 'a ship has passed the berth and ' || md5(i::text) || ' was written down by its master'
	from generate_series(1, 75000) i;
create table call (id bigint not null, ship int not null, day date not null) ;
create table ferry_call (guests int) inherits (call);
create table cargo_call (tons int) inherits (call);
insert into call select i, i % 3100, date '2025-01-01' + i % 300 from generate_series(1, 21000) i;
insert into ferry_call select i, i % 3100, date '2025-01-01' + i % 300, 7 from generate_series(1, 18000) i;
insert into cargo_call select i, i % 3100, date '2025-01-01' + i % 300, 9 from generate_series(1, 15000) i;
create type bill_state as enum ('paid', 'open');
create table bill (harbor int not null, no int not null, payer int not null, issuer int not null, state bill_state not null, sum numeric not null, terms jsonb not null, words text not null, primary key (harbor, no));
insert into bill select i % 30, i, i % 2500, i % 2300, case when i % 900 = 0 then 'open' else 'paid' end::bill_state, i * 7919 % 100000, jsonb_build_object('days', i % 1500), md5(i::text) || md5((i * 2)::text)
	from generate_series(1, 45000) i;
create table toll (class int not null, cents int not null, day date not null, words text not null);
insert into toll select i * 7919 % 260, i % 900, date '2025-01-01' + i % 300, 'a toll was taken from a ship, and written down ' || md5(i::text) from generate_series(1, 50000) i;`,
	faults: []fault{
		{
			name:  "newest of each (lateral)",
			sql:   `select b.id, p.at from berth b cross join lateral (select at, words from passage p where p.berth = b.id order by at desc limit 1) p where b.pier = $1 and b.id < $2`,
			args:  [][]any{{"pier 7", 500}, {"pier 9", 600}},
			kind:  missing,
			about: `ON public\.passage \(berth`,
		},
		{
			name:  "some days of a log in its order",
			sql:   `select ship, count(*) from passage where at between $1 and $2 group by ship order by ship`,
			args:  [][]any{{"2025-01-03 00:00+00", "2025-01-05 18:00+00"}, {"2025-01-12 00:00+00", "2025-01-14 18:00+00"}},
			kind:  missing,
			about: `ON public\.passage USING brin \(at\)`,
			seen:  `^missing index .*between`,
		},
		{
			name:  "all kinds of calls (inherited tables)",
			sql:   `select id, day from call where ship = $1`,
			args:  each(7, 1900),
			kind:  missing,
			about: `ON public\.call \(ship\)`,
		},
		{name: "calls of ferries", kind: missing, about: `ON public\.ferry_call \(ship\)`},
		{name: "calls of cargo", kind: missing, about: `ON public\.cargo_call \(ship\)`},
		{
			name:  "union of two conditions",
			sql:   `select no from bill where payer = $1 union select no from bill where issuer = $2`,
			args:  [][]any{{7, 9}, {1900, 2000}},
			kind:  missing,
			about: `ON public\.bill \(payer\)`,
		},
		{name: "the other of the union", kind: missing, about: `ON public\.bill \(issuer\)`},
		{
			name:  "few open bills",
			sql:   `select harbor, no from bill where state = 'open'`,
			args:  runs(3),
			kind:  missing,
			about: `ON public\.bill \((state|\w+\) WHERE state = 'open')`,
		},
		{
			name:  "number in a document",
			sql:   `select no, harbor from bill where (terms ->> 'days')::int > $1`,
			args:  each(1496, 1497),
			kind:  missing,
			about: `ON public\.bill \(+terms ->> 'days'[^|]*ANALYZE public\.bill`,
			seen:  "^sequential scan .*terms",
		},
		{
			name:  "field that the program names",
			sql:   `select no from bill where terms ->> $1 = $2`,
			args:  [][]any{{"days", "77"}, {"days", "78"}},
			kind:  advisor.SequentialScan,
			about: `ON public\.bill \(\(\(?terms ->> \$1`,
		},
		{name: "largest bill", sql: `select max(sum) from bill`, args: runs(3), kind: missing, about: `ON public\.bill \(sum\)`},
		{name: "a bill by its key", sql: `select sum from bill where no = $1 and harbor = $2`, args: [][]any{{61, 1}, {62, 2}, {63, 3}}},
		{
			name:  "one column of many rows",
			sql:   `select sum(cents) from toll where class = $1`,
			args:  each(7, 200, 21),
			kind:  missing,
			about: `ON public\.toll \(class\) INCLUDE \(cents\)`,
		},
		{
			name:  "kinds that have letters",
			sql:   `select id from berth where lower(kind) like $1`,
			args:  each("%a87ff6%", "%1679091%"),
			kind:  missing,
			about: `USING gin \(\(lower\(.*kind.* gin_trgm_ops\)`,
		},
		{
			name:  "kinds that have two letters",
			sql:   `select id from berth where kind like $1`,
			args:  each("%zz%", "%yz%"),
			kind:  advisor.PatternScan,
			about: `three characters`,
			// Without samples they may be longer.
			seen: "^missing index .*kind like",
		},
		{
			name:  "berths in a box",
			sql:   `select id from berth where spot <@ box(point(10, 10), point(10.5, 11.5))`,
			args:  runs(3),
			kind:  missing,
			about: `ON public\.berth USING gist \(spot\)`,
			seen:  "^missing index .*spot <@",
		},
		{
			name: "berths near a point",
			sql:  `select id from berth order by spot <-> point(50.3, 60.2) limit 5`,
			args: runs(3),
			kind: missing, about: `ON public\.berth USING gist \(spot\)`,
			seen: "^limit not pushed down .*spot <->",
		},
	},
}
