CREATE TYPE genre AS ENUM ('novel', 'poetry', 'essay');

CREATE TABLE authors (
    id   bigint PRIMARY KEY,
    name text NOT NULL,
    bio  text,
    born date
);

CREATE TABLE books (
    id        bigint PRIMARY KEY,
    author_id bigint NOT NULL REFERENCES authors (id),
    title     text NOT NULL,
    genre     genre NOT NULL,
    price     numeric(10, 2) NOT NULL,
    tags      text[] NOT NULL DEFAULT '{}',
    also      genre,
    details   jsonb,
    isbn      uuid,
    printed   timestamptz NOT NULL
);

CREATE TABLE visits (
    book_id bigint NOT NULL,
    at      timestamptz NOT NULL,
    note    text
);
