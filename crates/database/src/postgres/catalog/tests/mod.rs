//! Round trips through psql, judged by pg_dump.
