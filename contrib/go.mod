module github.com/gqlboost/gqlboost/contrib

go 1.26

replace github.com/gqlboost/gqlboost => ../
