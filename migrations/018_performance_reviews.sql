-- dbm: module hr
-- dbm: unless table performance_reviews

CREATE TABLE performance_reviews (
    id ${identity},
    employee BIGINT NOT NULL,
    reviewer BIGINT,
    reviewed_on DATE NOT NULL,
    score INTEGER,
    notes TEXT,
    CONSTRAINT performance_reviews_score_check CHECK (score BETWEEN 1 AND 5),
    CONSTRAINT performance_reviews_employee_fkey FOREIGN KEY (employee) REFERENCES employees (id),
    CONSTRAINT performance_reviews_reviewer_fkey FOREIGN KEY (reviewer) REFERENCES employees (id)
);
