-- name: GetBook :one
SELECT * FROM books WHERE id = $1;

-- name: GetTitle :one
SELECT title FROM books WHERE id = $1;

-- name: GetBookWithAuthor :one
SELECT sqlc.embed(books), sqlc.embed(authors)
FROM books JOIN authors ON authors.id = books.author_id
WHERE books.id = @book_id;

-- name: ListBooks :many
SELECT * FROM books WHERE author_id = $1 ORDER BY id;

-- name: ListBooksByID :many
SELECT id, title, genre FROM books WHERE id = ANY(@ids::bigint[]) ORDER BY id;

-- name: ListBooksByGenre :many
SELECT id, title FROM books WHERE genre = $1 ORDER BY id LIMIT $2;

-- name: SearchBooks :many
SELECT id, title, price FROM books
WHERE (sqlc.narg('title')::text IS NULL OR title ILIKE '%' || sqlc.narg('title') || '%')
  AND price >= @min_price::numeric
ORDER BY id;

-- name: CountByAuthor :many
SELECT a.id, a.name, a.born, count(b.id) AS books, sum(b.price)::numeric AS total
FROM authors a LEFT JOIN books b ON b.author_id = a.id
GROUP BY a.id ORDER BY a.id;

-- name: Divide :one
SELECT (sqlc.arg(a)::int / sqlc.arg(b)::int)::int AS quotient;

-- name: SetPrice :exec
UPDATE books SET price = $2 WHERE id = $1;

-- name: SetPrices :execrows
UPDATE books SET price = price WHERE author_id = $1;

-- name: Retitle :execresult
UPDATE books SET title = title WHERE id = $1;

-- name: SaveAuthor :one
INSERT INTO authors (id, name, bio) VALUES ($1, $2, $3)
ON CONFLICT (id) DO UPDATE SET name = excluded.name, bio = excluded.bio
RETURNING *;

-- name: DuplicateAuthor :exec
INSERT INTO authors (id, name) VALUES ($1, $2);

-- name: Titles :batchone
SELECT title FROM books WHERE id = $1;

-- name: BooksOfAuthors :batchmany
SELECT * FROM books WHERE author_id = $1 ORDER BY id;

-- name: Quotients :batchone
SELECT (sqlc.arg(a)::int / sqlc.arg(b)::int)::int AS quotient;

-- name: SetPricesOf :batchexec
UPDATE books SET price = $2 WHERE id = $1;

-- name: AddVisits :copyfrom
INSERT INTO visits (book_id, at, note) VALUES ($1, $2, $3);

-- name: CountVisits :one
SELECT count(*) FROM visits WHERE book_id = $1;

-- name: DeleteVisits :exec
DELETE FROM visits WHERE book_id = $1;
