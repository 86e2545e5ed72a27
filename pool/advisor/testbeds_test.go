package advisor_test

import "github.com/gqlboost/gqlboost/pool/advisor"

// testbeds are a clinic (names that need quotes, texts and documents), a fleet (partitions,
// a queue, times), a school that many share (row level security), and a port.
var testbeds = []testbed{clinic, fleet, school, port}

const (
	missing   = advisor.MissingIndex
	unused    = advisor.UnusedIndex
	duplicate = advisor.DuplicateIndex
	redundant = advisor.RedundantIndex
)

var clinic = testbed{
	name: "clinic",
	schema: `
create schema "Ward";
create table "Ward"."select" (id bigint generated always as identity primary key, "Group" int not null, "end" timestamptz not null,
	remark text not null default 'nothing remarkable was seen');
insert into "Ward"."select" ("Group", "end") select (i * 7919) % 3000, timestamptz '2025-01-01' + (i * 31 % 40000) * interval '1 minute' from generate_series(1, 40000) i;
create table patient (id bigint primary key, surname text collate "en-x-icu" not null, email text not null, labels int[] not null, chart jsonb not null,
	referred_by bigint, archived boolean not null default false, ward_id int not null);
insert into patient select i, md5(i::text) || ' name', 'p' || i || '@example.org', array[i % 900, i % 700], jsonb_build_object('blood', 'T' || i % 500, 'n', i),
	case when i % 50 = 0 then i / 50 end, i % 100 <> 0, i % 40 from generate_series(1, 30000) i;
create index patient_surname on patient (surname);
create index patient_ward on patient (ward_id);
create index patient_ward_again on patient (ward_id);
create index patient_ref on patient (referred_by) where referred_by is not null;
alter table patient add foreign key (referred_by) references patient;
create table lab (id bigint generated always as identity primary key, patient_id bigint not null references patient, kind text not null, value numeric not null,
	taken timestamptz not null, doctor int not null);
insert into lab (patient_id, kind, value, taken, doctor) select 1 + i * 7 % 30000, 'k' || i % 8, i % 100, timestamptz '2025-01-01' + (i * 13 % 60000) * interval '1 minute', i % 400
	from generate_series(1, 60000) i;
create index lab_patient on lab (patient_id, taken);
create index lab_patient_only on lab (patient_id);
create index lab_value on lab (value);
create table letter (id bigint generated always as identity primary key, body text not null, sent date);
insert into letter (body, sent) select 'dear ' || md5(i::text) || md5((i * 3)::text), case when i % 200 > 0 then date '2025-01-01' + i % 300 end from generate_series(1, 25000) i;
create index letter_body_trgm on letter using gin (body gin_trgm_ops);
delete from patient where id = 29999 and not exists (select from lab where patient_id = 29999) and false;`,
	faults: []fault{
		{
			name:  "names that need quotes",
			sql:   `select id, remark from "Ward"."select" where "Group" = $1`,
			args:  each(17, 230, 999),
			kind:  missing,
			about: `ON "Ward"\."select" \("Group"\)`,
		},
		{
			name:  "a keyword to sort by",
			sql:   `select id from "Ward"."select" order by "end" desc limit 7`,
			args:  runs(4),
			kind:  missing,
			about: `ON "Ward"\."select" \("end"`,
		},
		{
			name:  "few that are not archived",
			sql:   `select id, surname from patient where not archived`,
			args:  runs(4),
			kind:  missing,
			about: `ON public\.patient \(\w+\) WHERE NOT archived`,
		},
		{
			name:  "prefix beside a plain index",
			sql:   `select id from patient where surname like 'abc12%'`,
			args:  runs(3),
			kind:  missing,
			about: `ON public\.patient .*\(surname (text_pattern_ops|gin_trgm_ops)\)`,
		},
		{name: "used by whole names", sql: `select id from patient where surname = $1`, args: each("abc", "x")},
		{
			name:      "element of an array",
			sql:       `select id from patient where $1::int = any(labels)`,
			args:      each(5, 650, 333),
			kind:      missing,
			about:     `USING gin \(labels\)[^|]*labels @> ARRAY`,
			rewritten: `select id from patient where labels @> array[$1::int]`,
		},
		{
			name:  "field of a document",
			sql:   `select id from patient where chart ->> 'blood' = $1`,
			args:  each("T7", "T77", "T400"),
			kind:  missing,
			about: `ON public\.patient \(\(chart ->> 'blood'`,
			seen:  "^sequential scan .*chart ->>",
		},
		{
			name:  "contained in a document",
			sql:   `select id from patient where chart @> '{"n": 77}'`,
			args:  runs(3),
			kind:  missing,
			about: `USING gin \(chart jsonb_path_ops\)`,
		},
		{
			name:  "e-mail in small letters",
			sql:   `select id from patient where lower(email) = $1`,
			args:  each("p5@example.org", "p900@example.org"),
			kind:  missing,
			about: `ON public\.patient \(\(?lower\(email\)`,
		},
		{
			name: "either of two columns",
			sql:  `select id from lab where doctor = $1 or taken = $2`,
			args: [][]any{
				{7, "2025-01-03 10:00:00+00"},
				{9, "2025-01-05 10:00:00+00"},
			},
			kind:  missing,
			about: `ON public\.lab \(doctor`,
		},
		{name: "the other of two columns", kind: missing, about: `ON public\.lab \(taken\)`},
		{
			name:  "an index that there is twice",
			kind:  duplicate,
			about: `DROP INDEX CONCURRENTLY public\.patient_ward_again`,
		},
		{name: "used index", sql: `select count(*) from patient where ward_id = $1`, args: each(3, 4)},
		{name: "the beginning of another", kind: redundant, about: `public\.lab_patient_only`},
		{name: "used wide index", sql: `select max(taken) from lab where patient_id = $1`, args: each(3, 400)},
		{name: "an index that nobody uses", kind: unused, about: `DROP INDEX CONCURRENTLY public\.lab_value`},
		{
			name:  "few letters not sent",
			sql:   `select id from letter where sent is null order by id limit 50`,
			args:  runs(3),
			kind:  missing,
			about: `ON public\.letter \(\w+\) WHERE sent IS NULL`,
			times: -1,
		},
		{
			name: "trigrams that are there",
			sql:  `select id from letter where body like $1`,
			args: each("%3f5a7%", "%ab99c%"),
		},
		{name: "referred patients", sql: `select count(*) from patient where referred_by = $1`, args: each(3, 5)},
	},
}

var fleet = testbed{
	name: "fleet",
	schema: `
create table vehicle (id int primary key, plate text not null unique, depot int not null);
insert into vehicle select i, 'V' || i, i % 30 from generate_series(1, 2000) i;
create unique index vehicle_plate_too on vehicle (plate);
create table reading (at timestamptz not null, vehicle_id int not null references vehicle, speed int not null, code text not null, extra text not null default 'some words')
	partition by range (at);
create table reading_a partition of reading for values from ('2025-01-01') to ('2025-02-01');
create table reading_b partition of reading for values from ('2025-02-01') to ('2025-03-01');
create table reading_c partition of reading for values from ('2025-03-01') to ('2025-05-01');
insert into reading select timestamptz '2025-01-01' + i * interval '2 minutes', 1 + i * 37 % 2000, i % 150, 'c' || i % 900 from generate_series(1, 75000) i;
create index reading_speed on reading (speed);
create table task (id bigint generated always as identity primary key, queue int not null, done boolean not null, due timestamptz not null, payload text not null default 'do something', tries int not null default 0);
insert into task (queue, done, due) select i % 12, i % 150 <> 0, timestamptz '2025-01-01' + i * interval '1 minute' from generate_series(1, 60000) i;
create table log (id bigint generated always as identity, noted timestamptz not null, level int not null, line text not null);
insert into log (noted, level, line) select timestamptz '2025-01-01' + i * interval '20 seconds', i % 5, 'a line of a log that says something long enough to fill a page ' || i from generate_series(1, 60000) i;
create table trip (id bigint generated always as identity primary key, vehicle_id int not null, started timestamptz not null, ended timestamptz, km int not null, driver int not null);
insert into trip (vehicle_id, started, ended, km, driver) select 1 + i * 11 % 2000, timestamptz '2025-01-01' + i * interval '1 minute', case when i % 300 > 0 then timestamptz '2025-01-02' + i * interval '1 minute' end, i % 500, i * 17 % 5000
	from generate_series(1, 60000) i;`,
	faults: []fault{
		{
			name:  "newest of a partitioned table",
			sql:   `select at, speed from reading order by at desc limit 20`,
			args:  runs(5),
			kind:  missing,
			about: `ON ONLY public\.reading \(at\)[^|]*ATTACH PARTITION`,
		},
		{
			name:  "newest of one vehicle",
			sql:   `select at, speed, extra from reading where vehicle_id = $1 order by at desc limit 10`,
			args:  each(5, 77, 1234),
			kind:  missing,
			about: `ON ONLY public\.reading \(vehicle_id`,
		},
		{
			name:  "code in all partitions",
			sql:   `select at from reading where code = $1`,
			args:  each("c7", "c700"),
			kind:  missing,
			about: `ON ONLY public\.reading \(code`,
		},
		{name: "index that no partition uses", kind: unused, about: `DROP INDEX public\.reading_speed`},
		{
			name:  "open tasks",
			sql:   `select id, payload from task where not done and queue = $1 order by due limit 5`,
			args:  each(3, 6, 9),
			kind:  missing,
			about: `ON public\.task \(.*\) WHERE NOT done`,
		},
		{
			name:  "the next of a queue",
			sql:   `select id from task where tries = $1 and due < $2 order by due limit 1`,
			args:  [][]any{{0, "2025-02-01 00:00:00+00"}, {1, "2025-02-01 00:00:00+00"}},
			kind:  missing,
			about: `ON public\.task \(tries, due\)`,
		},
		{
			name:  "times as they are normalized",
			sql:   `select count(*) from log where noted > timestamptz '2025-01-14 12:00+00' - interval '1 hour' and noted < timestamptz '2025-01-14 12:00+00'`,
			args:  runs(4),
			kind:  missing,
			about: `ON public\.log (USING brin )?\(noted\)`,
		},
		{name: "unique index twice", kind: duplicate, about: `public\.vehicle_plate_too`},
		{name: "used plates", sql: `select id from vehicle where plate = $1`, args: each("V7", "V9")},
		{
			name:  "trips that have not ended",
			sql:   `select id, driver from trip where ended is null`,
			args:  runs(4),
			kind:  missing,
			about: `ON public\.trip \(\w+\) WHERE ended IS NULL`,
		},
		{
			name:  "trips of one driver in VALUES",
			sql:   `select t.id from (values (1700), (34)) v(d) join trip t on t.driver = v.d`,
			args:  runs(3),
			kind:  missing,
			about: `ON public\.trip \(driver\)`,
		},
		{
			name:  "documents made of rows",
			sql:   `select jsonb_build_object('id', id, 'km', km) from trip where vehicle_id = $1`,
			args:  each(7, 9),
			kind:  missing,
			about: `ON public\.trip \(vehicle_id\)`,
		},
		{
			name: "parts of times",
			sql:  `select extract(hour from started), count(*) from trip where driver = $1 group by 1 order by 1`,
			args: each(34, 51),
		},
		{
			name:  "two tables of the same size",
			sql:   `select (select count(*) from trip where km = $1 and driver < 50) + (select count(*) from task where tries = $1 + 7 and queue = 3)`,
			args:  each(1, 2),
			kind:  missing,
			about: `ON public\.task \(`,
		},
		{name: "the other of these tables", kind: missing, about: `ON public\.trip \(km`},
		{
			name: "merge",
			sql:  `merge into vehicle v using (values (5, 3), (6, 4)) s(id, depot) on v.id = s.id when matched then update set depot = s.depot`,
			args: runs(2),
		},
	},
}

var school = testbed{
	name: "school",
	schema: `
create role pupil_app;
create table pupil (id bigint generated always as identity primary key, school_id int not null, class int not null, name text not null, notes text not null default 'a few words about the pupil');
insert into pupil (school_id, class, name) select i % 40, i * 7 % 400, 'pupil ' || i from generate_series(1, 50000) i;
create table mark (id bigint generated always as identity primary key, school_id int not null, pupil_id bigint not null, subject int not null, value int not null, given date not null);
insert into mark (school_id, pupil_id, subject, value, given) select i % 40, 1 + i % 50000, i % 12, i % 6, date '2025-01-01' + i % 250 from generate_series(1, 90000) i;
alter table pupil enable row level security;
alter table mark enable row level security;
create policy own on pupil using (school_id = current_setting('app.school')::int);
create policy own on mark using (school_id = current_setting('app.school')::int);
grant select, update on all tables in schema public to pupil_app;
create index pupil_school on pupil (school_id);
create index mark_school on mark (school_id);`,
	role: "pupil_app",
	set:  "select set_config('app.school', '7', false)",
	faults: []fault{
		{
			name:  "class of one school",
			sql:   `select id, name from pupil where class = $1`,
			args:  each(7, 49, 87),
			kind:  missing,
			about: `ON public\.pupil \((school_id, class|class, school_id|class)\)`,
		},
		{
			name:  "marks of one pupil",
			sql:   `select subject, value from mark where pupil_id = $1`,
			args:  each(8, 48, 4008),
			kind:  missing,
			about: `ON public\.mark \((school_id, pupil_id|pupil_id, school_id|pupil_id)\)`,
		},
		{
			name:  "newest marks",
			sql:   `select id, value from mark where subject = $1 order by given desc, id desc limit 10`,
			args:  each(3, 7, 11),
			kind:  missing,
			about: `ON public\.mark \((school_id, subject|subject, school_id)`,
		},
		{name: "used index", sql: `select count(*) from pupil`, args: runs(2)},
		{name: "used index of marks", sql: `select avg(value) from mark`, args: runs(2)},
	},
}
