CREATE TABLE c (a int, b text);
COPY c (a, b) FROM stdin;
1	one; not the end
2	\N
3	$$ ' " /* -- \\.
\.
COPY public.c FROM STDIN WITH (FORMAT csv, HEADER); -- rows follow
a,b
4,"x;y"
5,"two
lines"
\.

CREATE TABLE "from stdin" (a int);COPY "from stdin" FROM stdin;
\.
copy c from stdin delimiter ';';
6;six
\.
INSERT INTO c VALUES (7, 'COPY c FROM stdin;');
COPY (SELECT a, b FROM c) TO STDOUT;
COPY c TO STDOUT (FORMAT csv);
INSERT INTO c VALUES (8);
COPY c FROM stdin;
9	last
\.
