module github.com/gqlboost/gqlboost/internal/release

go 1.26.0

replace github.com/gqlboost/gqlboost => ../..

require (
	github.com/gqlboost/gqlboost v0.1.0
	golang.org/x/mod v0.42.0
)

require (
	github.com/jackc/pgpassfile v1.0.0 // indirect
	github.com/jackc/pgservicefile v0.0.0-20240606120523-5a60cdf6a761 // indirect
	github.com/jackc/pgx/v5 v5.12.0 // indirect
	golang.org/x/text v0.41.0 // indirect
)
