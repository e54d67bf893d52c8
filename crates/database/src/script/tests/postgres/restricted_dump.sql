--
-- PostgreSQL database dump
--

\restrict kJ9aWlJ2Yh0wT

SET statement_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);

CREATE TABLE public.t (
    id integer NOT NULL,
    name text DEFAULT 'a;b'::text
);

COPY public.t (id, name) FROM stdin;
1	one
2	\N
\.

ALTER TABLE ONLY public.t ADD CONSTRAINT t_pkey PRIMARY KEY (id);

\unrestrict kJ9aWlJ2Yh0wT

