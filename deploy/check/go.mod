module github.com/feedd/feedd/deploy/check

go 1.26.0
