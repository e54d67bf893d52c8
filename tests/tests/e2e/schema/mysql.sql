CREATE TABLE `account` (
  `id` bigint NOT NULL AUTO_INCREMENT,
  `code` varchar(30) NOT NULL,
  `name` varchar(150) NOT NULL,
  `kind` varchar(30) NOT NULL,
  `balance` decimal(14,2) NOT NULL DEFAULT 0.00,
  PRIMARY KEY (`id`),
  UNIQUE KEY `account_code_key` (`code`)
);
CREATE TABLE `attendance` (
  `id` bigint NOT NULL AUTO_INCREMENT,
  `employee` bigint NOT NULL,
  `day` date NOT NULL,
  `hours` decimal(4,2) DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `attendance_employee_day_key` (`employee`,`day`)
);
CREATE TABLE `candidates` (
  `id` bigint NOT NULL AUTO_INCREMENT,
  `full_name` varchar(200) NOT NULL,
  `email` varchar(200) NOT NULL,
  `phone` varchar(30) DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `candidates_email_key` (`email`)
);
CREATE TABLE `customer` (
  `id` bigint NOT NULL AUTO_INCREMENT,
  `name` varchar(200) NOT NULL,
  `email` varchar(200) DEFAULT NULL,
  `phone` varchar(30) DEFAULT NULL,
  `created_at` timestamp NULL DEFAULT current_timestamp(),
  PRIMARY KEY (`id`)
);
CREATE TABLE `dispatch_request` (
  `id` bigint NOT NULL AUTO_INCREMENT,
  `request_number` varchar(50) NOT NULL,
  `showroom_product_id` bigint DEFAULT NULL,
  `quantity` int NOT NULL,
  `status` varchar(30) NOT NULL DEFAULT 'open',
  `requested_at` timestamp NULL DEFAULT current_timestamp(),
  `priority` varchar(20) NOT NULL DEFAULT 'normal',
  `delivery_address` varchar(300) DEFAULT NULL,
  `contact_phone` varchar(30) DEFAULT NULL,
  `scheduled_at` timestamp NULL DEFAULT NULL,
  `delivered_at` timestamp NULL DEFAULT NULL,
  `notes` text DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `dispatch_request_request_number_key` (`request_number`),
  KEY `dispatch_request_showroom_product_id_fkey` (`showroom_product_id`)
);
CREATE TABLE `employees` (
  `id` bigint NOT NULL AUTO_INCREMENT,
  `employee_id` varchar(30) NOT NULL,
  `full_name` varchar(200) NOT NULL,
  `email` varchar(200) DEFAULT NULL,
  `job_title` varchar(150) DEFAULT NULL,
  `manager_id` bigint DEFAULT NULL,
  `hired_on` date DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `employees_employee_id_key` (`employee_id`),
  KEY `employees_manager_id_fkey` (`manager_id`)
);
CREATE TABLE `gate_entry_logs` (
  `id` bigint NOT NULL AUTO_INCREMENT,
  `gate_user_id` bigint NOT NULL,
  `entered_at` timestamp NULL DEFAULT current_timestamp(),
  `purpose` varchar(200) DEFAULT NULL,
  PRIMARY KEY (`id`),
  KEY `gate_entry_logs_gate_user_id_fkey` (`gate_user_id`),
  KEY `gate_entry_logs_entered_at_idx` (`entered_at`)
);
CREATE TABLE `gate_users` (
  `id` bigint NOT NULL AUTO_INCREMENT,
  `name` varchar(150) NOT NULL,
  `phone` varchar(30) DEFAULT NULL,
  `badge_number` varchar(50) NOT NULL,
  `created_at` timestamp NULL DEFAULT current_timestamp(),
  PRIMARY KEY (`id`),
  UNIQUE KEY `gate_users_badge_number_key` (`badge_number`)
);
CREATE TABLE `going_out_logs` (
  `id` bigint NOT NULL AUTO_INCREMENT,
  `gate_user_id` bigint NOT NULL,
  `left_at` timestamp NULL DEFAULT current_timestamp(),
  `returned_at` timestamp NULL DEFAULT NULL,
  `reason` varchar(200) DEFAULT NULL,
  PRIMARY KEY (`id`),
  KEY `going_out_logs_gate_user_id_fkey` (`gate_user_id`)
);
CREATE TABLE `guest_list` (
  `id` bigint NOT NULL AUTO_INCREMENT,
  `name` varchar(150) NOT NULL,
  `host_id` bigint DEFAULT NULL,
  `expected_at` timestamp NULL DEFAULT NULL,
  `vehicle_number` varchar(30) DEFAULT NULL,
  `checked_in` tinyint(1) NOT NULL DEFAULT 0,
  PRIMARY KEY (`id`),
  KEY `guest_list_host_id_fkey` (`host_id`)
);
CREATE TABLE `interviews` (
  `id` bigint NOT NULL AUTO_INCREMENT,
  `job_application_id` bigint NOT NULL,
  `interviewer` bigint DEFAULT NULL,
  `held_at` timestamp NULL DEFAULT NULL,
  `outcome` varchar(30) DEFAULT NULL,
  PRIMARY KEY (`id`),
  KEY `interviews_job_application_id_fkey` (`job_application_id`),
  KEY `interviews_interviewer_fkey` (`interviewer`)
);
CREATE TABLE `job_applications` (
  `id` bigint NOT NULL AUTO_INCREMENT,
  `job_posting_id` bigint NOT NULL,
  `candidate_id` bigint NOT NULL,
  `status` varchar(30) NOT NULL DEFAULT 'received',
  `applied_at` timestamp NULL DEFAULT current_timestamp(),
  PRIMARY KEY (`id`),
  UNIQUE KEY `job_applications_posting_candidate_key` (`job_posting_id`,`candidate_id`),
  KEY `job_applications_candidate_id_fkey` (`candidate_id`)
);
CREATE TABLE `job_postings` (
  `id` bigint NOT NULL AUTO_INCREMENT,
  `title` varchar(200) NOT NULL,
  `description` text DEFAULT NULL,
  `is_open` tinyint(1) NOT NULL DEFAULT 1,
  `posted_on` date DEFAULT NULL,
  PRIMARY KEY (`id`)
);
CREATE TABLE `leaves` (
  `id` bigint NOT NULL AUTO_INCREMENT,
  `employee` bigint NOT NULL,
  `starts_on` date NOT NULL,
  `ends_on` date NOT NULL,
  `kind` varchar(30) NOT NULL,
  `approved` tinyint(1) NOT NULL DEFAULT 0,
  PRIMARY KEY (`id`),
  KEY `leaves_employee_fkey` (`employee`),
  CONSTRAINT `leaves_dates_check` CHECK (`ends_on` >= `starts_on`)
);
CREATE TABLE `payrolls` (
  `id` bigint NOT NULL AUTO_INCREMENT,
  `employee` bigint NOT NULL,
  `period` varchar(7) NOT NULL,
  `gross` decimal(12,2) NOT NULL,
  `net` decimal(12,2) NOT NULL,
  `paid_on` date DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `payrolls_employee_period_key` (`employee`,`period`)
);
CREATE TABLE `performance_reviews` (
  `id` bigint NOT NULL AUTO_INCREMENT,
  `employee` bigint NOT NULL,
  `reviewer` bigint DEFAULT NULL,
  `reviewed_on` date NOT NULL,
  `score` int DEFAULT NULL,
  `notes` text DEFAULT NULL,
  PRIMARY KEY (`id`),
  KEY `performance_reviews_employee_fkey` (`employee`),
  KEY `performance_reviews_reviewer_fkey` (`reviewer`),
  CONSTRAINT `performance_reviews_score_check` CHECK (`score` between 1 and 5)
);
CREATE TABLE `purchase_order` (
  `id` bigint NOT NULL AUTO_INCREMENT,
  `order_number` varchar(50) NOT NULL,
  `supplier` varchar(200) NOT NULL,
  `status` varchar(30) NOT NULL DEFAULT 'draft',
  `total` decimal(12,2) NOT NULL DEFAULT 0.00,
  `ordered_by` bigint DEFAULT NULL,
  `created_at` timestamp NULL DEFAULT current_timestamp(),
  `original_requirements` text DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `purchase_order_order_number_key` (`order_number`),
  KEY `purchase_order_ordered_by_fkey` (`ordered_by`)
);
CREATE TABLE `sales_order` (
  `id` bigint NOT NULL AUTO_INCREMENT,
  `order_number` varchar(50) NOT NULL,
  `customer_id` bigint DEFAULT NULL,
  `showroom_product_id` bigint NOT NULL,
  `quantity` int NOT NULL DEFAULT 1,
  `status` varchar(30) NOT NULL DEFAULT 'open',
  `ordered_at` timestamp NULL DEFAULT current_timestamp(),
  PRIMARY KEY (`id`),
  UNIQUE KEY `sales_order_order_number_key` (`order_number`),
  KEY `sales_order_customer_id_fkey` (`customer_id`),
  KEY `sales_order_showroom_product_id_fkey` (`showroom_product_id`)
);
CREATE TABLE `sales_transaction` (
  `id` bigint NOT NULL AUTO_INCREMENT,
  `sales_order_id` bigint NOT NULL,
  `account_id` bigint DEFAULT NULL,
  `amount` decimal(12,2) NOT NULL,
  `method` varchar(30) DEFAULT NULL,
  `paid_at` timestamp NULL DEFAULT current_timestamp(),
  PRIMARY KEY (`id`),
  KEY `sales_transaction_sales_order_id_fkey` (`sales_order_id`),
  KEY `sales_transaction_account_id_fkey` (`account_id`)
);
CREATE TABLE `seeded_row` (
  `table_name` varchar(63) NOT NULL,
  `row_key` varchar(100) NOT NULL,
  PRIMARY KEY (`table_name`,`row_key`)
);
CREATE TABLE `showroom_product` (
  `id` bigint NOT NULL AUTO_INCREMENT,
  `sku` varchar(50) NOT NULL,
  `name` varchar(200) NOT NULL,
  `price` decimal(12,2) NOT NULL,
  `stock` int NOT NULL DEFAULT 0,
  `created_at` timestamp NULL DEFAULT current_timestamp(),
  PRIMARY KEY (`id`),
  UNIQUE KEY `showroom_product_sku_key` (`sku`),
  CONSTRAINT `showroom_product_price_check` CHECK (`price` >= 0)
);
CREATE TABLE `staff` (
  `id` bigint NOT NULL AUTO_INCREMENT,
  `user_id` bigint DEFAULT NULL,
  `full_name` varchar(200) NOT NULL,
  `department` varchar(100) DEFAULT NULL,
  `joined_on` date DEFAULT NULL,
  PRIMARY KEY (`id`),
  KEY `staff_user_id_fkey` (`user_id`)
);
CREATE TABLE `transport_job` (
  `id` bigint NOT NULL AUTO_INCREMENT,
  `vehicle_id` bigint NOT NULL,
  `dispatch_request_id` bigint DEFAULT NULL,
  `driver` bigint DEFAULT NULL,
  `starts_at` timestamp NULL DEFAULT NULL,
  `ends_at` timestamp NULL DEFAULT NULL,
  `status` varchar(30) NOT NULL DEFAULT 'planned',
  PRIMARY KEY (`id`),
  KEY `transport_job_vehicle_id_fkey` (`vehicle_id`),
  KEY `transport_job_dispatch_request_id_fkey` (`dispatch_request_id`),
  KEY `transport_job_driver_fkey` (`driver`)
);
CREATE TABLE `user` (
  `id` bigint NOT NULL AUTO_INCREMENT,
  `username` varchar(100) NOT NULL,
  `email` varchar(200) DEFAULT NULL,
  `password_hash` varchar(200) NOT NULL,
  `role` varchar(50) NOT NULL DEFAULT 'user',
  `is_active` tinyint(1) NOT NULL DEFAULT 1,
  `created_at` timestamp NULL DEFAULT current_timestamp(),
  PRIMARY KEY (`id`),
  UNIQUE KEY `user_username_key` (`username`)
);
CREATE TABLE `vehicle` (
  `id` bigint NOT NULL AUTO_INCREMENT,
  `vehicle_number` varchar(30) NOT NULL,
  `model` varchar(100) DEFAULT NULL,
  `capacity_kg` int DEFAULT NULL,
  `is_available` tinyint(1) NOT NULL DEFAULT 1,
  PRIMARY KEY (`id`),
  UNIQUE KEY `vehicle_vehicle_number_key` (`vehicle_number`)
);
CREATE TABLE `work_profile` (
  `id` bigint NOT NULL AUTO_INCREMENT,
  `staff_id` bigint NOT NULL,
  `title` varchar(150) NOT NULL,
  `skills` text DEFAULT NULL,
  `hours_per_week` decimal(5,2) DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `work_profile_staff_id_key` (`staff_id`)
);
ALTER TABLE `attendance` ADD CONSTRAINT `attendance_employee_fkey` FOREIGN KEY (`employee`) REFERENCES `employees` (`id`);
ALTER TABLE `dispatch_request` ADD CONSTRAINT `dispatch_request_showroom_product_id_fkey` FOREIGN KEY (`showroom_product_id`) REFERENCES `showroom_product` (`id`);
ALTER TABLE `employees` ADD CONSTRAINT `employees_manager_id_fkey` FOREIGN KEY (`manager_id`) REFERENCES `employees` (`id`);
ALTER TABLE `gate_entry_logs` ADD CONSTRAINT `gate_entry_logs_gate_user_id_fkey` FOREIGN KEY (`gate_user_id`) REFERENCES `gate_users` (`id`);
ALTER TABLE `going_out_logs` ADD CONSTRAINT `going_out_logs_gate_user_id_fkey` FOREIGN KEY (`gate_user_id`) REFERENCES `gate_users` (`id`);
ALTER TABLE `guest_list` ADD CONSTRAINT `guest_list_host_id_fkey` FOREIGN KEY (`host_id`) REFERENCES `staff` (`id`);
ALTER TABLE `interviews` ADD CONSTRAINT `interviews_interviewer_fkey` FOREIGN KEY (`interviewer`) REFERENCES `employees` (`id`);
ALTER TABLE `interviews` ADD CONSTRAINT `interviews_job_application_id_fkey` FOREIGN KEY (`job_application_id`) REFERENCES `job_applications` (`id`);
ALTER TABLE `job_applications` ADD CONSTRAINT `job_applications_candidate_id_fkey` FOREIGN KEY (`candidate_id`) REFERENCES `candidates` (`id`);
ALTER TABLE `job_applications` ADD CONSTRAINT `job_applications_job_posting_id_fkey` FOREIGN KEY (`job_posting_id`) REFERENCES `job_postings` (`id`);
ALTER TABLE `leaves` ADD CONSTRAINT `leaves_employee_fkey` FOREIGN KEY (`employee`) REFERENCES `employees` (`id`);
ALTER TABLE `payrolls` ADD CONSTRAINT `payrolls_employee_fkey` FOREIGN KEY (`employee`) REFERENCES `employees` (`id`);
ALTER TABLE `performance_reviews` ADD CONSTRAINT `performance_reviews_employee_fkey` FOREIGN KEY (`employee`) REFERENCES `employees` (`id`);
ALTER TABLE `performance_reviews` ADD CONSTRAINT `performance_reviews_reviewer_fkey` FOREIGN KEY (`reviewer`) REFERENCES `employees` (`id`);
ALTER TABLE `purchase_order` ADD CONSTRAINT `purchase_order_ordered_by_fkey` FOREIGN KEY (`ordered_by`) REFERENCES `user` (`id`);
ALTER TABLE `sales_order` ADD CONSTRAINT `sales_order_customer_id_fkey` FOREIGN KEY (`customer_id`) REFERENCES `customer` (`id`);
ALTER TABLE `sales_order` ADD CONSTRAINT `sales_order_showroom_product_id_fkey` FOREIGN KEY (`showroom_product_id`) REFERENCES `showroom_product` (`id`);
ALTER TABLE `sales_transaction` ADD CONSTRAINT `sales_transaction_account_id_fkey` FOREIGN KEY (`account_id`) REFERENCES `account` (`id`);
ALTER TABLE `sales_transaction` ADD CONSTRAINT `sales_transaction_sales_order_id_fkey` FOREIGN KEY (`sales_order_id`) REFERENCES `sales_order` (`id`);
ALTER TABLE `staff` ADD CONSTRAINT `staff_user_id_fkey` FOREIGN KEY (`user_id`) REFERENCES `user` (`id`);
ALTER TABLE `transport_job` ADD CONSTRAINT `transport_job_dispatch_request_id_fkey` FOREIGN KEY (`dispatch_request_id`) REFERENCES `dispatch_request` (`id`);
ALTER TABLE `transport_job` ADD CONSTRAINT `transport_job_driver_fkey` FOREIGN KEY (`driver`) REFERENCES `employees` (`id`);
ALTER TABLE `transport_job` ADD CONSTRAINT `transport_job_vehicle_id_fkey` FOREIGN KEY (`vehicle_id`) REFERENCES `vehicle` (`id`);
ALTER TABLE `work_profile` ADD CONSTRAINT `work_profile_staff_id_fkey` FOREIGN KEY (`staff_id`) REFERENCES `staff` (`id`) ON DELETE CASCADE;
