package adopters

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/logger"
)

type gormAuthor struct {
	ID    int64
	Name  string
	Born  *time.Time
	Books []gormBook `gorm:"foreignKey:AuthorID"`
}

func (gormAuthor) TableName() string { return "authors" }

type gormBook struct {
	ID       int64
	AuthorID int64
	Author   *gormAuthor
	Title    string
	Price    float64
	Details  *string
}

func (gormBook) TableName() string { return "books" }

func TestGorm(t *testing.T) {
	dsn := newDatabase(t, ormSchema)
	for _, prepare := range []bool{false, true} {
		t.Run(fmt.Sprint("PrepareStmt=", prepare), func(t *testing.T) {
			systems := adapt(setup{dsn: dsn}.sqlSystems(), func(db *sql.DB) *gorm.DB {
				// All connections may be in transactions that wait for GORM's lock of prepared statements, whose
				// holder waits for one that waits for a connection to prepare on: also with pgxpool. So there are no
				// transactions, not even those that GORM begins for each write.
				g, err := gorm.Open(postgres.New(postgres.Config{Conn: db}), &gorm.Config{
					Logger: logger.Discard, PrepareStmt: prepare, SkipDefaultTransaction: prepare,
				})
				if err != nil {
					t.Fatal(err)
				}
				// GORM has a data race of its own when many goroutines parse a model for the first time.
				for _, model := range []any{&gormAuthor{}, &gormBook{}} {
					if err := (&gorm.Statement{DB: g}).Parse(model); err != nil {
						t.Fatal(err)
					}
				}
				return g
			})
			cases := gormCases()
			if prepare {
				cases = slices.DeleteFunc(cases, func(c testCase[*gorm.DB]) bool { return c.name == "transaction" })
			}
			compare(t, systems, cases, statements(8))
		})
	}
}

func gormCases() []testCase[*gorm.DB] {
	read := func(name string, run func(db *gorm.DB) (any, error)) testCase[*gorm.DB] {
		return testCase[*gorm.DB]{name: name, run: func(ctx context.Context, db *gorm.DB) (any, error) { return run(db.WithContext(ctx)) }}
	}
	cases := []testCase[*gorm.DB]{
		read("all", func(db *gorm.DB) (any, error) {
			var books []gormBook
			result := db.Order("id").Find(&books)
			return []any{books, result.RowsAffected}, result.Error
		}),
		read("preload", func(db *gorm.DB) (any, error) {
			var authors []gormAuthor
			err := db.Preload("Books", func(db *gorm.DB) *gorm.DB { return db.Order("books.id") }).Order("id").Find(&authors, "id < ?", 6).Error
			return authors, err
		}),
		read("pluck", func(db *gorm.DB) (any, error) {
			var titles []string
			err := db.Model(&gormBook{}).Where("id in ?", []int{3, 5, 8}).Order("id").Pluck("title", &titles).Error
			return titles, err
		}),
		read("raw into maps", func(db *gorm.DB) (any, error) {
			var counts []map[string]any
			err := db.Raw("select author_id, count(*) as n from books group by author_id order by author_id").Scan(&counts).Error
			return counts, err
		}),
		read("no table", func(db *gorm.DB) (any, error) {
			var n int64
			err := db.Table("nowhere").Count(&n).Error
			return n, err
		}),
		read("division by zero", func(db *gorm.DB) (any, error) {
			var n int
			return n, db.Raw("select 1 / ?::int", 0).Scan(&n).Error
		}),
		read("duplicate", func(db *gorm.DB) (any, error) {
			return nil, db.Create(&gormAuthor{ID: 1, Name: "again"}).Error
		}),
		read("upsert", func(db *gorm.DB) (any, error) {
			a := gormAuthor{ID: 20, Name: "author 20"}
			result := db.Clauses(clause.OnConflict{UpdateAll: true}, clause.Returning{}).Omit("Born").Create(&a)
			return []any{a.Name, result.RowsAffected}, result.Error
		}),
		read("update", func(db *gorm.DB) (any, error) {
			result := db.Model(&gormBook{}).Where("id = ?", 100).Update("title", "title 100")
			return result.RowsAffected, result.Error
		}),
		read("delete nothing", func(db *gorm.DB) (any, error) {
			result := db.Delete(&gormBook{}, -1)
			return result.RowsAffected, result.Error
		}),
		read("transaction", func(db *gorm.DB) (value any, err error) {
			err = db.Transaction(func(tx *gorm.DB) error {
				if err := tx.Model(&gormBook{}).Where("id = ?", 99).Update("price", -1).Error; err != nil {
					return err
				}
				inner := tx.Transaction(func(tx *gorm.DB) error { return tx.Exec("select 1 / 0").Error })
				var b gormBook
				err := tx.First(&b, 99).Error
				value = []any{b, describe(inner)}
				return errors.Join(err, errHook) // It rolls back.
			})
			return value, err
		}),
		read("rows", func(db *gorm.DB) (any, error) {
			rows, err := db.Model(&gormBook{}).Where("id < ?", 10).Order("id").Rows()
			if err != nil {
				return nil, err
			}
			defer rows.Close()
			var all []gormBook
			for rows.Next() {
				var b gormBook
				if err := db.ScanRows(rows, &b); err != nil {
					return all, err
				}
				all = append(all, b)
			}
			return all, rows.Err()
		}),
	}
	for id := range 15 {
		cases = append(cases,
			read(fmt.Sprint("first ", id), func(db *gorm.DB) (any, error) {
				var b gormBook
				err := db.First(&b, id*3).Error
				return []any{b, errors.Is(err, gorm.ErrRecordNotFound)}, err
			}),
			read(fmt.Sprint("join ", id), func(db *gorm.DB) (any, error) {
				var books []gormBook
				err := db.Joins("Author").Where("author_id = ?", id).Order("books.id").Find(&books).Error
				return books, err
			}),
			read(fmt.Sprint("page ", id), func(db *gorm.DB) (any, error) {
				var books []gormBook
				err := db.Where("price > @price", map[string]any{"price": 20 - id}).Order("id").Limit(3).Offset(id).Find(&books).Error
				return books, err
			}),
			read(fmt.Sprint("count ", id), func(db *gorm.DB) (any, error) {
				var n int64
				err := db.Model(&gormAuthor{}).Where("name like ?", fmt.Sprint("author ", id%3, "%")).Count(&n).Error
				return n, err
			}),
		)
	}
	return cases
}
