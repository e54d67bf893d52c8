-- dbm: module hr
-- dbm: unless table job_applications

CREATE TABLE job_applications (
    id ${identity},
    job_posting_id BIGINT NOT NULL,
    candidate_id BIGINT NOT NULL,
    status VARCHAR(30) DEFAULT 'received' NOT NULL,
    applied_at ${timestamp} DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT job_applications_posting_candidate_key UNIQUE (job_posting_id, candidate_id),
    CONSTRAINT job_applications_job_posting_id_fkey FOREIGN KEY (job_posting_id) REFERENCES job_postings (id),
    CONSTRAINT job_applications_candidate_id_fkey FOREIGN KEY (candidate_id) REFERENCES candidates (id)
);
