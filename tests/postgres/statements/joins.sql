--- What a JOIN gives whose columns are named by USING, and functions in FROM. Answers are PostgreSQL's, written by tests/python/postgres_replay.py --write.

-- USING
SELECT * FROM (VALUES ('1', 'a'), ('2', 'b')) AS a (id, k) JOIN (VALUES ('a', '7'), ('b', '8')) AS b (k, v) USING (k) ORDER BY id
----
k:text	id:text	v:text
a	1	7
b	2	8
====

SELECT * FROM (VALUES ('x', '1', 'a')) AS a (n, id, k) LEFT JOIN (VALUES ('a', '7', '5')) AS b (k, v, m) USING (k) JOIN (VALUES ('1', '9')) AS c (id, w) USING (id)
----
id:text	k:text	n:text	v:text	m:text	w:text
1	a	x	7	5	9
====

SELECT * FROM (VALUES ('x', 'a')) AS a (n, k) FULL JOIN (VALUES ('b', 'y')) AS b (k, v) USING (k) ORDER BY k
----
k:text	n:text	v:text
a	x	\N
b	\N	y
====

SELECT k, n, v FROM (VALUES ('x', 'a')) AS a (n, k) RIGHT JOIN (VALUES ('a', 'z'), ('b', 'y')) AS b (k, v) USING (k) WHERE k <> 'c' ORDER BY k
----
k:text	n:text	v:text
a	x	z
b	\N	y
====

SELECT k, count(*) FROM (VALUES ('x', 'a')) AS a (n, k) FULL JOIN (VALUES ('b', 'y'), ('b', 'z')) AS b (k, v) USING (k) GROUP BY k ORDER BY k
----
k:text	count:int8
a	1
b	2
====

SELECT n FROM (VALUES ('x', 'a')) AS a (n, k) FULL JOIN (VALUES ('b', 'y')) AS b (k, v) USING (k) ORDER BY k
----
n:text
x
\N
====

SELECT a.*, b.v FROM (VALUES ('x', 'a')) AS a (n, k) JOIN (VALUES ('a', 'y')) AS b (k, v) USING (k)
----
n:text	k:text	v:text
x	a	y
====

SELECT o.id FROM gold.orders o JOIN gold.orders p USING (id) ORDER BY id LIMIT 2
----
id:int8
1
2
====

-- functions in FROM
SELECT * FROM lower('A')
----
lower:text
a
====

SELECT v FROM upper('a') AS v
----
v:text
A
====

SELECT t.x FROM concat('a', 'b') AS t (x)
----
x:text
ab
====
