package main

// Makes the package a requirement, whose types the generator reads.
import _ "github.com/gqlboost/gqlboost/simdjson"
