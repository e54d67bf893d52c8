CREATE TABLE t (a int);
CREATE TABLE t (b int);
CREATE TABLE u (a int);
