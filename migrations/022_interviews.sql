-- dbm: module hr
-- dbm: unless table interviews

CREATE TABLE interviews (
    id ${identity},
    job_application_id BIGINT NOT NULL,
    interviewer BIGINT,
    held_at ${timestamp},
    outcome VARCHAR(30),
    CONSTRAINT interviews_job_application_id_fkey FOREIGN KEY (job_application_id) REFERENCES job_applications (id),
    CONSTRAINT interviews_interviewer_fkey FOREIGN KEY (interviewer) REFERENCES employees (id)
);
