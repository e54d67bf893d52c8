-- dbm: module hr
-- dbm: unless table employees

CREATE TABLE employees (
    id ${identity},
    employee_id VARCHAR(30) NOT NULL,
    full_name VARCHAR(200) NOT NULL,
    email VARCHAR(200),
    job_title VARCHAR(150),
    manager_id BIGINT,
    hired_on DATE,
    CONSTRAINT employees_employee_id_key UNIQUE (employee_id),
    CONSTRAINT employees_manager_id_fkey FOREIGN KEY (manager_id) REFERENCES employees (id)
);
