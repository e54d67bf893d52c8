-- dbm: module hr

DROP TABLE job_postings;
